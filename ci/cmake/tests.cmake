# Tests: one executable a folder of tests/. Each object library is linked whole.
find_library(MS_CRITERION_LIB criterion REQUIRED)

# The simulated disk alone, for tests of what stands on a disk; then the whole simulator.
file(GLOB sim_disk_sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/sim/sim_disk*.c)
add_library(ms_sim_disk OBJECT ${sim_disk_sources})
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
    ${MS_XXHASH_LIB} ${MS_ZSTD_LIB} ${MS_HTTP_PARSER_LIB} Threads::Threads)
  add_test(NAME ${name} COMMAND test_${name} -j2)
  # Criterion does not look at what happens after a body has passed: a leak has to be found here.
  set_tests_properties(${name} PROPERTIES FAIL_REGULAR_EXPRESSION
    "ERROR: (Leak|Address)Sanitizer|runtime error:|WARNING: ThreadSanitizer|definitely lost")
endfunction()

ms_test(base FOLDERS base env format)
ms_test(raft FOLDERS base env format raft)
# Protocol stories: tests/raft/scripts, in the language of tests/raft/script.h.
file(GLOB script_sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/raft/script*.c)
add_executable(raft_scripts ${script_sources} ${CMAKE_SOURCE_DIR}/tests/raft/scripts/main.c
  ${CMAKE_SOURCE_DIR}/tests/raft/cluster.c ${CMAKE_SOURCE_DIR}/tests/support/test_alloc.c
  ${CMAKE_SOURCE_DIR}/tests/support/panic.c)
target_compile_definitions(raft_scripts PRIVATE MS_PLAIN)
target_include_directories(raft_scripts PRIVATE ${CMAKE_SOURCE_DIR} ${CMAKE_SOURCE_DIR}/src
  ${CMAKE_SOURCE_DIR}/include)
target_link_libraries(raft_scripts PRIVATE ms_base ms_env ms_format ms_raft)
add_test(NAME raft_scripts COMMAND raft_scripts ${CMAKE_SOURCE_DIR}/tests/raft/scripts)
set_tests_properties(raft_scripts PROPERTIES FAIL_REGULAR_EXPRESSION
  "ERROR: (Leak|Address)Sanitizer|runtime error:|definitely lost")

ms_test(wal FOLDERS base env format wal sim_disk)
# The model of the state machine, for one test an engine.
file(GLOB kv_model CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/support/kv_model/*.c)
add_library(ms_kv_model OBJECT ${kv_model})
target_include_directories(ms_kv_model PUBLIC ${CMAKE_SOURCE_DIR} ${CMAKE_SOURCE_DIR}/src
  ${CMAKE_SOURCE_DIR}/include)
ms_test(kv FOLDERS base env format kv kv_model)
# The runtime's disk alone.
add_library(ms_rt_disk OBJECT ${CMAKE_SOURCE_DIR}/src/rt/rt_disk.c ${CMAKE_SOURCE_DIR}/src/rt/rt_disk_op.c
  ${CMAKE_SOURCE_DIR}/src/rt/rt_ring.c ${CMAKE_SOURCE_DIR}/src/rt/rt_thread.c ${CMAKE_SOURCE_DIR}/src/rt/rt_clock.c)
target_include_directories(ms_rt_disk PUBLIC ${CMAKE_SOURCE_DIR}/src ${CMAKE_SOURCE_DIR}/include)
ms_test(kv_rocks FOLDERS base env format kv kv_rocks kv_model rt_disk LIBS ${MS_ROCKSDB_LIB} ${MS_UV_LIB})
# What both engines are held to above engine.h.
target_sources(test_kv_rocks PRIVATE ${CMAKE_SOURCE_DIR}/tests/kv/kv_fixture.c
  ${CMAKE_SOURCE_DIR}/tests/kv/changes_model.c ${CMAKE_SOURCE_DIR}/tests/kv/lease_model.c)
foreach(name kv kv_rocks) # files of version 1
  target_compile_definitions(test_${name} PRIVATE MS_FIXTURES="${CMAKE_SOURCE_DIR}/tests/fixtures")
endforeach()
ms_test(http FOLDERS base env format kv http)
ms_test(node FOLDERS base env format raft wal kv node sim_disk)
# The node is a fake one: tests/member/fake_node.c.
ms_test(member FOLDERS base env format kv http member)
ms_test(member_real FOLDERS base env format raft wal kv node http member sim_disk)

# The library as its users get it, with its inside open to the tests; its own ms_host_panic().
function(ms_library_test target)
  cmake_parse_arguments(arg "" "" "SOURCES;DEFINITIONS;LIBS" ${ARGN})
  add_executable(${target} ${arg_SOURCES} $<TARGET_OBJECTS:ms_cli>)
  target_compile_definitions(${target} PRIVATE ${arg_DEFINITIONS})
  target_include_directories(${target} PRIVATE ${CMAKE_SOURCE_DIR} ${CMAKE_SOURCE_DIR}/src
    ${CMAKE_SOURCE_DIR}/include)
  target_link_libraries(${target} PRIVATE ${arg_LIBS} metastore_static ${MS_LIBRARY_NEEDS}
    Threads::Threads)
endfunction()

file(GLOB rt_tests CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/rt/*.c ${CMAKE_SOURCE_DIR}/tests/rt/*.cc
  ${CMAKE_SOURCE_DIR}/tests/cli/*.c)
list(APPEND rt_tests ${CMAKE_SOURCE_DIR}/tests/support/disk_contract.c
  ${CMAKE_SOURCE_DIR}/tests/support/test_alloc.c ${CMAKE_SOURCE_DIR}/tests/kv/kv_fixture.c)
ms_library_test(test_rt SOURCES ${rt_tests} LIBS ${MS_CRITERION_LIB})
# The same bodies without Criterion, whose workers ThreadSanitizer cannot start in.
ms_library_test(plain_rt SOURCES ${rt_tests} ${CMAKE_SOURCE_DIR}/tests/support/plain_main.c
  DEFINITIONS MS_PLAIN)
if(MS_SANITIZE MATCHES thread)
  add_test(NAME rt COMMAND plain_rt)
  set_tests_properties(rt PROPERTIES ENVIRONMENT
    "TSAN_OPTIONS=suppressions=${CMAKE_SOURCE_DIR}/ci/tsan.supp")
else()
  add_test(NAME rt COMMAND test_rt -j2)
endif()

# docs/examples/embed.c, built as a user of the shared library would build it.
add_executable(example_embed ${CMAKE_SOURCE_DIR}/docs/examples/embed.c)
target_link_libraries(example_embed PRIVATE metastore_shared)
# In a new directory: what an earlier build has left there may have another format.
add_test(NAME example_embed COMMAND sh -c "rm -rf \"$1\" && exec \"$0\" \"$1\""
  $<TARGET_FILE:example_embed> ${CMAKE_BINARY_DIR}/example_embed_data)
# What the shared library shows to the world are ms_ names and nothing else.
add_test(NAME exported_symbols COMMAND ${CMAKE_SOURCE_DIR}/ci/exported-symbols
  $<TARGET_FILE:metastore_shared>)
set_tests_properties(rt example_embed exported_symbols PROPERTIES FAIL_REGULAR_EXPRESSION
  "ERROR: (Leak|Address)Sanitizer|runtime error:|WARNING: ThreadSanitizer|definitely lost")

# --- the simulator: everything but its command line is an object library, so that tests can link it ---
execute_process(COMMAND git -C ${CMAKE_SOURCE_DIR} rev-parse --short HEAD OUTPUT_VARIABLE sim_commit
  OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
# What it prints of a failing seed names the commit: so it is asked for again when that is another one.
if(EXISTS ${CMAKE_SOURCE_DIR}/.git/logs/HEAD)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/.git/logs/HEAD)
endif()
if(NOT sim_commit)
  set(sim_commit unknown)
endif()
file(GLOB sim_sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/sim/*.c ${CMAKE_SOURCE_DIR}/sim/*.cc)
list(FILTER sim_sources EXCLUDE REGEX "/(sim_main|sim_disk.*)\\.c$")
# The page of --html, as C.
set(page ${CMAKE_SOURCE_DIR}/sim/page)
add_custom_command(OUTPUT ${CMAKE_BINARY_DIR}/sim_html_page.c
  COMMAND ${CMAKE_COMMAND} -DFOLDER=${page} -DOUT=${CMAKE_BINARY_DIR}/sim_html_page.c
    -P ${CMAKE_SOURCE_DIR}/ci/cmake/page.cmake
  DEPENDS ${page}/page.html ${page}/page.css ${page}/density.js ${page}/page.js ${CMAKE_SOURCE_DIR}/ci/cmake/page.cmake
  VERBATIM)
add_library(ms_sim OBJECT ${sim_sources} ${CMAKE_BINARY_DIR}/sim_html_page.c)
target_include_directories(ms_sim PUBLIC ${CMAKE_SOURCE_DIR} ${CMAKE_SOURCE_DIR}/src
  ${CMAKE_SOURCE_DIR}/include)
set_source_files_properties(${CMAKE_SOURCE_DIR}/sim/sim_report.c PROPERTIES
  COMPILE_DEFINITIONS MS_COMMIT="${sim_commit}")
add_executable(sim ${CMAKE_SOURCE_DIR}/sim/sim_main.c)
target_link_libraries(sim PRIVATE ms_sim ms_sim_disk ms_kv_rocks metastore_core ${MS_ROCKSDB_LIB}
  Threads::Threads)
set_target_properties(sim PROPERTIES LINKER_LANGUAGE CXX)
# Few, as a seed takes some seconds with sanitizers; ci/check runs many fresh ones.
add_test(NAME sim_smoke COMMAND sim --seeds=6 --start=1 --storage=memory --quiet)
# What is wrong, or would be of no effect, is told; nothing is run.
add_test(NAME sim_options COMMAND sh -c "for wrong in --bogus stray --seed --seed=x --seeds=0 --quiet=1 --minutes=-1 \\
  --nodes=8 --storage=disk --faults=some --scenario=some --mute=K1 --point=1 --share=2 --html=x --exhaustive=some=1 '--seed=1 --seeds=2' \\
  '--seed=1 --shrink=1' '--scenario=terms --nodes=3' '--scenario=database --storage=memory' '--seed=1 --html=/nowhere/x' '--script /nowhere/x'; do \\
  $<TARGET_FILE:sim> $wrong 2>&1 | grep -q 'sim: .*; see --help' || { echo \"$wrong: no word\"; exit 1; }; \\
  $<TARGET_FILE:sim> $wrong >/dev/null 2>&1; test $? -eq 2 || { echo \"$wrong: not exit code 2\"; exit 1; }; done")
add_test(NAME sim_scenarios COMMAND sh -c "for one in terms changes newcomers space database growth leases installs outages returns; do \\
  $<TARGET_FILE:sim> --scenario=$one --seeds=1 --start=1 --no-twice --quiet || exit 1; done")
# One seed does not reach all rare states: the batch says so, and ends with the exit code for it.
add_test(NAME sim_rare_states COMMAND sh -c
  "$<TARGET_FILE:sim> --seeds=1 --start=1 --storage=memory --no-twice --quiet --rare-from=1; test $? -eq 14")
add_test(NAME sim_rocksdb COMMAND sim --seeds=4 --start=1 --storage=mixed --quiet)
# Scripts that planted bugs have left behind: here they pass, under their bugs they fail (ci/mutants). Those without a
# mutant failed by a bug of a checker.
file(GLOB sim_scripts CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/sim/scripts/*.txt)
add_test(NAME sim_enumerate COMMAND sim --enumerate --seed=1 --share=60 --quiet)
# Small bounds of the exhaustive search (docs/TESTING.md has larger ones); within those of the second and third
# nothing may be left, and what makes a search worth something has to be among what was met.
add_test(NAME sim_exhaust COMMAND sim --quiet --exhaustive=faults=1,late=0,writes=1,states=150000)
add_test(NAME sim_exhaust_conflict COMMAND sim --quiet --exhaustive=start=2,faults=0,late=0,timeouts=3,writes=1)
add_test(NAME sim_exhaust_stores COMMAND sim --quiet --exhaustive=manual=1,faults=1,late=0,timeouts=1,writes=1)
set_tests_properties(sim_exhaust_conflict sim_exhaust_stores PROPERTIES FAIL_REGULAR_EXPRESSION
  "term 0,|leaders 0,|committed 0,|replaced 0,|committed 0$|no room")
add_test(NAME mutant_kills COMMAND python3 ${CMAKE_SOURCE_DIR}/tests/ci/test_mutant_kills.py)
add_test(NAME nightly COMMAND python3 ${CMAKE_SOURCE_DIR}/tests/ci/test_nightly.py)
add_test(NAME mutant_coverage COMMAND python3 ${CMAKE_SOURCE_DIR}/ci/mutant-coverage)
add_test(NAME mutant_coverage_of_none COMMAND sh -c
  "python3 ${CMAKE_SOURCE_DIR}/ci/mutant-coverage --mutants ci; test $? -eq 1")
add_test(NAME sim_scripts COMMAND sim --twice --script ${sim_scripts})
ms_test(sim FOLDERS sim sim_disk base env format raft wal kv kv_rocks node http member LIBS ${MS_ROCKSDB_LIB})

# Lives of simulated members, lived again on the real runtime (tests/replay/replay.h). The calls of both hosts into the
# member are led through the test.
if(NOT APPLE) # whose linker has no --wrap
  file(GLOB replay_sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/replay/*.c)
  add_executable(rt_replay ${replay_sources} ${CMAKE_SOURCE_DIR}/tests/rt/rt_support.c)
  target_compile_definitions(rt_replay PRIVATE MS_PLAIN)
  target_link_libraries(rt_replay PRIVATE ms_sim ms_sim_disk)
  foreach(folder ${MS_LIBRARY_FOLDERS})
    target_link_libraries(rt_replay PRIVATE ms_${folder})
  endforeach()
  target_link_libraries(rt_replay PRIVATE ${MS_LIBRARY_NEEDS} Threads::Threads)
  set(wrapped member_create member_destroy member_on_accept member_on_dialed member_on_bytes member_on_writable
    member_on_ended member_on_closed member_on_disk member_on_job member_on_tick member_flush member_deadline_ms
    member_propose_txn member_txn member_read member_range member_range_next member_range_end
    kv_rocks_open_or_rebuild sim_disk_crash sim_disk_perform_as rt_clock_ms rt_net_flush rt_disk_execute pwrite fdatasync fsync)
  list(TRANSFORM wrapped PREPEND "LINKER:--wrap=")
  target_link_options(rt_replay PRIVATE ${wrapped})
  set_target_properties(rt_replay PROPERTIES LINKER_LANGUAGE CXX)
  add_test(NAME rt_replay COMMAND rt_replay --seeds 10 --fresh 1 --all-kinds)
  add_test(NAME rt_replay_self_check COMMAND rt_replay --self-check --seeds 2 --patience 2000)
  set_tests_properties(rt_replay PROPERTIES FAIL_REGULAR_EXPRESSION
    "ERROR: (Leak|Address)Sanitizer|runtime error:|definitely lost")
endif()

include(${CMAKE_SOURCE_DIR}/ci/cmake/fuzz.cmake)
