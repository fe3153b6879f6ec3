# Fuzzing: fuzz/fuzz_<name>.c is a harness, fuzz/seeds_<name>.c writes its first corpus with the real
# encoders, fuzz/corpus/<name>/ is what is kept.
#
#   everywhere   replay_<name>   the corpus and mutations of it, as a test; no fuzzer needed
#                mutator_<name>  the harness's own mutator as a library for afl-fuzz
#                seeds_<name>    all of them: target fuzz-corpus
#   MS_FUZZ      fuzz_<name>     with afl-clang-fast (preset fuzz; ci/fuzz runs them)
file(GLOB fuzz_harnesses CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/fuzz/fuzz_*.c)
file(GLOB fuzz_seeds CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/fuzz/seeds_*.c)

# What harnesses link with; as archives, so that each takes only what it calls.
file(GLOB sim_disk_sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/sim/sim_disk*.c)
add_library(ms_fuzz_support STATIC ${sim_disk_sources} ${CMAKE_SOURCE_DIR}/fuzz/support.c
  ${CMAKE_SOURCE_DIR}/tests/support/panic.c)
target_include_directories(ms_fuzz_support PUBLIC ${CMAKE_SOURCE_DIR} ${CMAKE_SOURCE_DIR}/src
  ${CMAKE_SOURCE_DIR}/include)
target_link_libraries(ms_fuzz_support PUBLIC metastore_core)
function(ms_fuzz_links target)
  # Twice: the core calls the host's panic, the support calls the core.
  target_link_libraries(${target} PRIVATE ms_fuzz_support metastore_core ms_fuzz_support)
endfunction()

# What a harness is about, where that is no part of the core.
set(fuzz_sources_cli_json ${CMAKE_SOURCE_DIR}/src/cli/cli_json.c ${CMAKE_SOURCE_DIR}/src/cli/cli_text.c)

foreach(harness ${fuzz_harnesses})
  string(REGEX REPLACE ".*/fuzz_([a-z0-9_]+)\\.c$" "\\1" name ${harness})
  if(MS_FUZZ)
    add_executable(fuzz_${name} ${harness} ${fuzz_sources_${name}})
    ms_fuzz_links(fuzz_${name})
    target_link_options(fuzz_${name} PRIVATE -fsanitize=fuzzer)
    continue()
  endif()
  add_executable(replay_${name} ${harness} ${CMAKE_SOURCE_DIR}/fuzz/replay_main.c
    ${CMAKE_SOURCE_DIR}/fuzz/mutate.c ${fuzz_sources_${name}})
  ms_fuzz_links(replay_${name})
  add_test(NAME fuzz_${name} COMMAND replay_${name} --mutations 40 ${CMAKE_SOURCE_DIR}/fuzz/corpus/${name})
  set_tests_properties(fuzz_${name} PROPERTIES TIMEOUT 300)
  if(NOT MS_SANITIZE)
    add_library(mutator_${name} MODULE ${harness} ${CMAKE_SOURCE_DIR}/fuzz/afl_mutator.c
      ${CMAKE_SOURCE_DIR}/fuzz/mutate.c ${fuzz_sources_${name}})
    set_target_properties(mutator_${name} PROPERTIES PREFIX "")
    ms_fuzz_links(mutator_${name})
    list(APPEND fuzz_mutators mutator_${name})
  endif()
endforeach()
if(MS_FUZZ)
  return()
endif()

add_custom_target(fuzz-mutators DEPENDS ${fuzz_mutators})
add_custom_target(fuzz-corpus)
foreach(seeds ${fuzz_seeds})
  string(REGEX REPLACE ".*/seeds_([a-z0-9_]+)\\.c$" "\\1" name ${seeds})
  add_executable(seeds_${name} ${seeds})
  ms_fuzz_links(seeds_${name})
  add_custom_target(fuzz-corpus-${name}
    COMMAND ${CMAKE_COMMAND} -E make_directory ${CMAKE_SOURCE_DIR}/fuzz/corpus/${name}
    COMMAND seeds_${name} ${CMAKE_SOURCE_DIR}/fuzz/corpus/${name})
  add_dependencies(fuzz-corpus fuzz-corpus-${name})
endforeach()
