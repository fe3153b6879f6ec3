# Measuring: each tests/bench/bench_*.c is a program; ci/bench runs them.
file(GLOB bench_sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/bench/bench_*.c)
add_custom_target(benches)
foreach(source ${bench_sources})
  get_filename_component(name ${source} NAME_WE)
  add_executable(${name} ${source})
  target_compile_definitions(${name} PRIVATE _GNU_SOURCE)
  ms_fuzz_links(${name}) # the core and a panic of its own
  add_dependencies(benches ${name})
endforeach()
