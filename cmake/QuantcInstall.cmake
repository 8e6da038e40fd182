# `cmake --install`, and the CMake package that it makes:
#
#   find_package(Quantc CONFIG REQUIRED)
#   target_link_libraries(mine PRIVATE Quantc::QuantcQGraph)
#
# What is installed: the programs, the libraries of quantc_add_library, their
# headers with what TableGen made of them, the .td files, and the ONNX library
# where `make deps` built one. The runtime and the Python package install
# themselves.
include(CMakePackageConfigHelpers)

set(QUANTC_CMAKE_DIR ${CMAKE_INSTALL_LIBDIR}/cmake/Quantc)
get_property(libraries GLOBAL PROPERTY QUANTC_LIBRARIES)
get_property(tools GLOBAL PROPERTY QUANTC_TOOLS)

foreach(library IN LISTS libraries)
  target_include_directories(${library} INTERFACE $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
endforeach()

# Programs find libMLIR.so and libLLVM.so where they were found when they were linked.
if(tools)
  set_target_properties(${tools} PROPERTIES INSTALL_RPATH_USE_LINK_PATH ON)
endif()
install(TARGETS ${libraries} ${tools} EXPORT QuantcTargets
        ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR}
        LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}
        RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(EXPORT QuantcTargets NAMESPACE Quantc:: DESTINATION ${QUANTC_CMAKE_DIR})

install(DIRECTORY ${CMAKE_SOURCE_DIR}/include/quantc ${CMAKE_BINARY_DIR}/include/quantc
                  ${CMAKE_SOURCE_DIR}/runtime/include/quantc
        DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}
        FILES_MATCHING PATTERN "*.h" PATTERN "*.def" PATTERN "*.td" PATTERN "*.inc"
        PATTERN CMakeFiles EXCLUDE)

# The package needs ONNX only through QuantcImport and its like, but CMake wants
# every target that an exported one names.
cmake_path(IS_PREFIX QUANTC_DEPS_DIR "${ONNX_DIR}" NORMALIZE onnx_is_ours)
if(onnx_is_ours)
  install(DIRECTORY ${QUANTC_DEPS_DIR}/ DESTINATION ${CMAKE_INSTALL_LIBDIR}/quantc/deps
          PATTERN ".stamp" EXCLUDE)
endif()

configure_package_config_file(${CMAKE_CURRENT_LIST_DIR}/QuantcConfig.cmake.in
    ${CMAKE_BINARY_DIR}/cmake/QuantcConfig.cmake INSTALL_DESTINATION ${QUANTC_CMAKE_DIR}
    PATH_VARS CMAKE_INSTALL_INCLUDEDIR CMAKE_INSTALL_LIBDIR)
write_basic_package_version_file(${CMAKE_BINARY_DIR}/cmake/QuantcConfigVersion.cmake
    COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_BINARY_DIR}/cmake/QuantcConfig.cmake
              ${CMAKE_BINARY_DIR}/cmake/QuantcConfigVersion.cmake
        DESTINATION ${QUANTC_CMAKE_DIR})
