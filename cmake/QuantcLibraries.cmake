# How a library, an opt-like tool and a precompiled header of quantc are declared.
#
#   quantc_add_library(QuantcX a.cpp b.cpp [EXCEPTIONS] [NO_MLIR] [DEPENDS ...] [LINK ...])
#   quantc_add_tool(name main.cpp [EXCEPTIONS] LINK ...)
#
# Everything links libMLIR.so and libLLVM.so: mixing in the static archives
# would register dialects, passes and options twice.

set(QUANTC_WARNINGS -Wall -Wextra -Wno-unused-parameter -Wno-unknown-warning-option)

set(QUANTC_SANITIZER_FLAGS "")
if(QUANTC_SANITIZE)
  set(QUANTC_SANITIZER_FLAGS -fsanitize=address,undefined -fno-sanitize=vptr,function
      -fno-sanitize-recover=undefined -fno-omit-frame-pointer)
  add_link_options(-fsanitize=address,undefined)
endif()
if(QUANTC_FUZZ)
  list(APPEND QUANTC_SANITIZER_FLAGS -fsanitize=fuzzer-no-link)
endif()

# The precompiled headers: one for MLIR code without exceptions, one for the
# border to libraries that throw.
function(quantc_add_pch name)
  add_library(${name} OBJECT ${CMAKE_SOURCE_DIR}/cmake/pch.cpp)
  target_precompile_headers(${name} PRIVATE ${CMAKE_SOURCE_DIR}/cmake/pch.h)
  target_compile_options(${name} PRIVATE ${QUANTC_WARNINGS} ${QUANTC_SANITIZER_FLAGS}
                         -frtti -fpch-instantiate-templates -Xclang -fno-pch-timestamp ${ARGN})
endfunction()
quantc_add_pch(QuantcPCH -fno-exceptions)
quantc_add_pch(QuantcPCHExceptions -fexceptions)

# -fPIC for programs too, where CMake would say -fPIE: the precompiled header is one for all.
function(quantc_compile_options target exceptions)
  target_compile_options(${target} PRIVATE ${QUANTC_WARNINGS} ${QUANTC_SANITIZER_FLAGS} -frtti -fPIC
                         -fpch-instantiate-templates -Xclang -fno-pch-timestamp)
  if(exceptions)
    target_compile_options(${target} PRIVATE -fexceptions)
    target_precompile_headers(${target} REUSE_FROM QuantcPCHExceptions)
  else()
    target_compile_options(${target} PRIVATE -fno-exceptions)
    target_precompile_headers(${target} REUSE_FROM QuantcPCH)
  endif()
endfunction()

function(quantc_add_library name)
  cmake_parse_arguments(ARG "EXCEPTIONS;NO_MLIR" "" "DEPENDS;LINK" ${ARGN})
  add_library(${name} STATIC ${ARG_UNPARSED_ARGUMENTS})
  add_library(Quantc::${name} ALIAS ${name})
  if(ARG_NO_MLIR)
    target_compile_options(${name} PRIVATE ${QUANTC_WARNINGS} ${QUANTC_SANITIZER_FLAGS} -frtti)
  else()
    quantc_compile_options(${name} "${ARG_EXCEPTIONS}")
  endif()
  target_link_libraries(${name} PUBLIC ${ARG_LINK})
  if(ARG_DEPENDS)
    add_dependencies(${name} ${ARG_DEPENDS})
  endif()
  set_property(GLOBAL APPEND PROPERTY QUANTC_LIBRARIES ${name})
endfunction()

function(quantc_add_tool name)
  cmake_parse_arguments(ARG "EXCEPTIONS" "" "LINK" ${ARGN})
  add_executable(${name} ${ARG_UNPARSED_ARGUMENTS})
  quantc_compile_options(${name} "${ARG_EXCEPTIONS}")
  target_link_libraries(${name} PRIVATE ${ARG_LINK} MLIR LLVM)
  # A plugin takes the dialects from the program that loads it.
  set_target_properties(${name} PROPERTIES ENABLE_EXPORTS ON)
  set_property(GLOBAL APPEND PROPERTY QUANTC_TOOLS ${name})
endfunction()

# TableGen of one dialect that lives in include/quantc/Dialect/<Name>/.
function(quantc_add_dialect name)
  set(LLVM_TARGET_DEFINITIONS ${name}Ops.td)
  mlir_tablegen(${name}Dialect.h.inc -gen-dialect-decls -dialect=${ARGV1})
  mlir_tablegen(${name}Dialect.cpp.inc -gen-dialect-defs -dialect=${ARGV1})
  mlir_tablegen(${name}Ops.h.inc -gen-op-decls -dialect=${ARGV1})
  mlir_tablegen(${name}Ops.cpp.inc -gen-op-defs -dialect=${ARGV1})
  mlir_tablegen(${name}Types.h.inc -gen-typedef-decls -typedefs-dialect=${ARGV1})
  mlir_tablegen(${name}Types.cpp.inc -gen-typedef-defs -typedefs-dialect=${ARGV1})
  mlir_tablegen(${name}Attributes.h.inc -gen-attrdef-decls -attrdefs-dialect=${ARGV1})
  mlir_tablegen(${name}Attributes.cpp.inc -gen-attrdef-defs -attrdefs-dialect=${ARGV1})
  mlir_tablegen(${name}Enums.h.inc -gen-enum-decls)
  mlir_tablegen(${name}Enums.cpp.inc -gen-enum-defs)
  add_mlir_generic_tablegen_target(Quantc${name}TableGen)
  set_property(GLOBAL APPEND PROPERTY QUANTC_TABLEGEN Quantc${name}TableGen)
endfunction()
