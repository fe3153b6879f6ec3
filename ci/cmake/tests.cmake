# Tests: one executable a folder of tests/. Each object library is linked whole.
find_library(MS_CRITERION_LIB criterion REQUIRED)

# The simulated disk alone, for tests of what stands on a disk; then the whole simulator.
add_library(ms_sim_disk OBJECT ${CMAKE_SOURCE_DIR}/sim/sim_disk.c)
target_include_directories(ms_sim_disk PUBLIC ${CMAKE_SOURCE_DIR} ${CMAKE_SOURCE_DIR}/src
  ${CMAKE_SOURCE_DIR}/include)
file(GLOB support CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/support/*.c)
list(FILTER support EXCLUDE REGEX "/(panic|plain_main)\\.c$")
add_library(ms_test_support OBJECT ${support})
target_include_directories(ms_test_support PUBLIC ${CMAKE_SOURCE_DIR} ${CMAKE_SOURCE_DIR}/src
  ${CMAKE_SOURCE_DIR}/include)

# ms_test(name FOLDERS a b c): tests/<name>/*.c, linked with the object libraries ms_a, ms_b, ms_c.
function(ms_test name)
  cmake_parse_arguments(arg "" "" "FOLDERS;LIBS" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/${name}/*.c
    ${CMAKE_SOURCE_DIR}/tests/${name}/*.cc)
  if(NOT sources)
    return()
  endif()
  add_executable(test_${name} ${sources} ${CMAKE_SOURCE_DIR}/tests/support/panic.c)
  target_include_directories(test_${name} PRIVATE ${CMAKE_SOURCE_DIR} ${CMAKE_SOURCE_DIR}/src
    ${CMAKE_SOURCE_DIR}/include)
  foreach(folder ${arg_FOLDERS})
    target_link_libraries(test_${name} PRIVATE ms_${folder})
  endforeach()
  target_link_libraries(test_${name} PRIVATE ms_test_support ${arg_LIBS} ${MS_CRITERION_LIB}
    ${MS_XXHASH_LIB} ${MS_HTTP_PARSER_LIB} Threads::Threads)
  add_test(NAME ${name} COMMAND test_${name} -j2)
  # Criterion does not look at what happens after a body has passed: a leak has to be found here.
  set_tests_properties(${name} PROPERTIES FAIL_REGULAR_EXPRESSION
    "ERROR: (Leak|Address)Sanitizer|runtime error:|WARNING: ThreadSanitizer|definitely lost")
endfunction()

ms_test(base FOLDERS base env format)
ms_test(raft FOLDERS base env format raft)
ms_test(wal FOLDERS base env format wal sim_disk)
ms_test(kv FOLDERS base env format kv)
ms_test(kv_rocks FOLDERS base env format kv kv_rocks LIBS ${MS_ROCKSDB_LIB})
ms_test(http FOLDERS base env format http)
ms_test(node FOLDERS base env format raft wal kv node sim_disk)
# The node is a fake one: tests/member/fake_node.c.
ms_test(member FOLDERS base env format kv http member)
