# The library that other programs link: perijove::perijove.
#
# The floors are compiled once, position independent and with hidden visibility, and linked both
# into the binary and into this library, which shows what include/perijove marks with PERIJOVE_API.
include(CMakePackageConfigHelpers)

file(GLOB api_sources CONFIGURE_DEPENDS src/api/*.cpp)
add_library(perijove_library SHARED ${api_sources})
add_library(perijove::perijove ALIAS perijove_library)
set_target_properties(perijove_library PROPERTIES
  OUTPUT_NAME perijove
  EXPORT_NAME perijove
  VERSION ${PROJECT_VERSION}
  SOVERSION ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR}  # below 1.0 a minor version may break
  CXX_VISIBILITY_PRESET hidden
  VISIBILITY_INLINES_HIDDEN ON)
target_compile_features(perijove_library PUBLIC cxx_std_20)
target_include_directories(perijove_library PUBLIC
  $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include> $<BUILD_INTERFACE:${PROJECT_BINARY_DIR}/include>
  $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
target_link_libraries(perijove_library PRIVATE perijove_executor nlohmann_json::nlohmann_json)
perijove_compile_options(perijove_library)

# What the floors instantiate of the standard library and of others is nobody's business either.
set(symbols ${CMAKE_CURRENT_LIST_DIR}/perijove.symbols)
target_link_options(perijove_library PRIVATE LINKER:--version-script=${symbols})
if(NOT PERIJOVE_SANITIZE)  # clang's runtimes are in the program alone
  target_link_options(perijove_library PRIVATE LINKER:--no-undefined)
endif()
set_property(TARGET perijove_library APPEND PROPERTY LINK_DEPENDS ${symbols})
# They define functions of the public headers, which nobody inside may call.
set_property(TARGET perijove_library PROPERTY
  LINK_LIBRARY_OVERRIDE "WHOLE_ARCHIVE,perijove_base,perijove_code")
if(PERIJOVE_SANITIZE)
  target_link_options(perijove_library PUBLIC -fsanitize=${PERIJOVE_SANITIZE})
endif()

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/perijove)
install(TARGETS perijove_library EXPORT perijoveTargets LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(EXPORT perijoveTargets NAMESPACE perijove:: DESTINATION ${package_dir})
configure_package_config_file(cmake/perijoveConfig.cmake.in ${PROJECT_BINARY_DIR}/perijoveConfig.cmake
  INSTALL_DESTINATION ${package_dir})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/perijoveConfigVersion.cmake
  COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/perijoveConfig.cmake
  ${PROJECT_BINARY_DIR}/perijoveConfigVersion.cmake DESTINATION ${package_dir})
install(DIRECTORY include/perijove ${PROJECT_BINARY_DIR}/include/perijove
  DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.hpp")

# perijove.pc finds its prefix from where it lies: an install tree may be moved, or made with another
# --prefix than the configured one.
file(RELATIVE_PATH pc_to_prefix /prefix/${CMAKE_INSTALL_LIBDIR}/pkgconfig /prefix)
cmake_path(APPEND pc_libdir "\${prefix}" ${CMAKE_INSTALL_LIBDIR})
cmake_path(APPEND pc_includedir "\${prefix}" ${CMAKE_INSTALL_INCLUDEDIR})
configure_file(cmake/perijove.pc.in ${PROJECT_BINARY_DIR}/perijove.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/perijove.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
