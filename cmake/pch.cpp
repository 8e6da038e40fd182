// Carrier of the precompiled header; see QuantcLibraries.cmake.
