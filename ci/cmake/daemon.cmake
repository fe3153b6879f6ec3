# The runtime, the library (libmetastore.so, libmetastore.a) and the daemon: all that is not the core.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)
ms_folder(kv_rocks src/kv_rocks)
ms_folder(rt src/rt)
ms_folder(cli src/cli)

# --- what ms_build_info() says; written only when it changes, so that it forces no rebuild ---
function(ms_header_version out header)
  find_path(dir ${header} NO_CACHE)
  set(parts)
  foreach(name ${ARGN})
    set(lines)
    if(dir)
      file(STRINGS ${dir}/${header} lines REGEX "^#define[ \t]+${name}[ \t]+[0-9]+")
    endif()
    if(lines)
      string(REGEX REPLACE "^#define[ \t]+${name}[ \t]+([0-9]+).*" "\\1" number "${lines}")
      list(APPEND parts ${number})
    endif()
  endforeach()
  list(JOIN parts "." text)
  if(NOT text)
    set(text unknown)
  endif()
  set(${out} ${text} PARENT_SCOPE)
endfunction()

ms_header_version(MS_BUILD_HTTP_PARSER http_parser.h
  HTTP_PARSER_VERSION_MAJOR HTTP_PARSER_VERSION_MINOR HTTP_PARSER_VERSION_PATCH)
ms_header_version(MS_BUILD_ROCKSDB rocksdb/version.h ROCKSDB_MAJOR ROCKSDB_MINOR ROCKSDB_PATCH)
ms_header_version(MS_BUILD_XXHASH xxhash.h XXH_VERSION_MAJOR XXH_VERSION_MINOR XXH_VERSION_RELEASE)
ms_header_version(MS_BUILD_ZSTD zstd.h ZSTD_VERSION_MAJOR ZSTD_VERSION_MINOR ZSTD_VERSION_RELEASE)
set(MS_BUILD_COMMIT unknown)
find_package(Git QUIET)
if(Git_FOUND)
  execute_process(COMMAND ${GIT_EXECUTABLE} rev-parse --short=12 HEAD
    WORKING_DIRECTORY ${CMAKE_SOURCE_DIR} OUTPUT_VARIABLE commit RESULT_VARIABLE failed
    OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  if(NOT failed)
    set(MS_BUILD_COMMIT ${commit})
  endif()
endif()
configure_file(${CMAKE_SOURCE_DIR}/ci/cmake/rt_build_info.h.in
  ${CMAKE_BINARY_DIR}/generated/rt_build_info.h @ONLY)
target_include_directories(ms_rt PRIVATE ${CMAKE_BINARY_DIR}/generated)

# --- the library ---
set(MS_LIBRARY_FOLDERS ${MS_CORE_FOLDERS} kv_rocks rt)
set(library_objects)
foreach(folder ${MS_LIBRARY_FOLDERS})
  list(APPEND library_objects $<TARGET_OBJECTS:ms_${folder}>)
endforeach()

# By name, not by path: this list ends up in the installed CMake package.
set(MS_LIBRARY_NEEDS rocksdb uv http_parser xxhash zstd)
function(ms_library target type)
  add_library(${target} ${type} ${library_objects})
  set_target_properties(${target} PROPERTIES OUTPUT_NAME metastore LINKER_LANGUAGE C)
  target_include_directories(${target} INTERFACE
    $<BUILD_INTERFACE:${CMAKE_SOURCE_DIR}/include> $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
endfunction()
ms_library(metastore_shared SHARED)
ms_library(metastore_static STATIC)
set_target_properties(metastore_shared PROPERTIES VERSION ${PROJECT_VERSION} SOVERSION 0
  EXPORT_NAME metastore)
target_link_libraries(metastore_shared PRIVATE ${MS_LIBRARY_NEEDS} Threads::Threads)
target_link_libraries(metastore_static PUBLIC Threads::Threads)

# --- the daemon: a user of include/metastore/metastore.h, like any other ---
add_executable(metastore ${CMAKE_SOURCE_DIR}/src/cli/main.c $<TARGET_OBJECTS:ms_cli>)
target_include_directories(metastore PRIVATE ${CMAKE_SOURCE_DIR}/src ${CMAKE_SOURCE_DIR}/include)
if(MS_STATIC)
  # All but libc and libm in one file; the order is the linker's, dependents first.
  set(archives)
  foreach(name rocksdb uv_a http_parser xxhash snappy z bz2 lz4 zstd gflags)
    find_library(MS_ARCHIVE_${name} lib${name}.a REQUIRED)
    list(APPEND archives ${MS_ARCHIVE_${name}})
  endforeach()
  target_link_libraries(metastore PRIVATE metastore_static ${archives} Threads::Threads
    ${CMAKE_DL_LIBS} m)
  target_link_options(metastore PRIVATE -static-libstdc++ -static-libgcc)
  set_target_properties(metastore PROPERTIES LINKER_LANGUAGE CXX)
else()
  target_link_libraries(metastore PRIVATE metastore_static ${MS_LIBRARY_NEEDS} Threads::Threads)
endif()

# --- installing ---
install(TARGETS metastore RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(TARGETS metastore_shared metastore_static EXPORT metastore_targets
  LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(DIRECTORY ${CMAKE_SOURCE_DIR}/include/metastore DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
# Completions, as the program itself prints them. Under a sanitizer it might not run where it is built.
if(NOT MS_SANITIZE)
  foreach(shell bash zsh)
    add_custom_command(OUTPUT ${CMAKE_BINARY_DIR}/generated/completion.${shell}
      COMMAND metastore completion ${shell} > ${CMAKE_BINARY_DIR}/generated/completion.${shell}
      DEPENDS metastore VERBATIM)
  endforeach()
  add_custom_target(completions ALL
    DEPENDS ${CMAKE_BINARY_DIR}/generated/completion.bash ${CMAKE_BINARY_DIR}/generated/completion.zsh)
  install(FILES ${CMAKE_BINARY_DIR}/generated/completion.bash RENAME metastore
    DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions)
  install(FILES ${CMAKE_BINARY_DIR}/generated/completion.zsh RENAME _metastore
    DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/site-functions)
endif()
# The second name. Where names do not differ by case (macOS), it is there already.
install(CODE "
  set(bin \"\$ENV{DESTDIR}\${CMAKE_INSTALL_PREFIX}/${CMAKE_INSTALL_BINDIR}\")
  if(IS_SYMLINK \"\${bin}/metaStore\" OR NOT EXISTS \"\${bin}/metaStore\")
    file(CREATE_LINK metastore \"\${bin}/metaStore\" SYMBOLIC)
    message(STATUS \"Installing: \${bin}/metaStore\")
  endif()")

configure_file(${CMAKE_SOURCE_DIR}/ci/cmake/metastore.pc.in ${CMAKE_BINARY_DIR}/generated/metastore.pc
  @ONLY)
configure_file(${CMAKE_SOURCE_DIR}/ci/cmake/metastoreConfig.cmake.in
  ${CMAKE_BINARY_DIR}/generated/metastoreConfig.cmake @ONLY)
write_basic_package_version_file(${CMAKE_BINARY_DIR}/generated/metastoreConfigVersion.cmake
  COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_BINARY_DIR}/generated/metastore.pc
  DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/metastore)
install(FILES ${CMAKE_BINARY_DIR}/generated/metastoreConfig.cmake
  ${CMAKE_BINARY_DIR}/generated/metastoreConfigVersion.cmake DESTINATION ${package_dir})
install(EXPORT metastore_targets FILE metastoreTargets.cmake NAMESPACE metastore::
  DESTINATION ${package_dir})
