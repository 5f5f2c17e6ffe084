# The agent's programs once more, as those of another version, for upgrades from this one:
# ${CMAKE_BINARY_DIR}/next/bin. Their own object of core/version.cc comes before the
# library's, which is then not linked.
set(DRAGNET_NEXT_VERSION 99.0.0)

function(dragnet_next_program name)
  cmake_parse_arguments(arg "" "" "DEPS" ${ARGN})
  dragnet_program(next-${name} ${arg_UNPARSED_ARGUMENTS} ${CMAKE_SOURCE_DIR}/core/version.cc
    DEPS ${arg_DEPS})
  target_compile_definitions(next-${name} PRIVATE DRAGNET_VERSION="${DRAGNET_NEXT_VERSION}")
  set_target_properties(next-${name} PROPERTIES OUTPUT_NAME ${name}
    RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/next/bin)
  # A release's file is 32 MiB at most.
  target_link_options(next-${name} PRIVATE -s)
  if(DRAGNET_STATIC_AGENT)
    set_target_properties(next-${name} PROPERTIES DRAGNET_STATIC ON)
    target_link_options(next-${name} PRIVATE -static-libstdc++ -static-libgcc
      -Wl,-z,pack-relative-relocs)
  endif()
endfunction()

dragnet_next_program(dragnet-agent ${CMAKE_SOURCE_DIR}/agent/monitor/main.cc DEPS dragnet_monitor)
dragnet_next_program(dragnet-link ${CMAKE_SOURCE_DIR}/agent/link/main.cc
  DEPS dragnet_link_core dragnet_lock_in)
dragnet_next_program(dragnet-worker ${CMAKE_SOURCE_DIR}/agent/worker/main.cc DEPS dragnet_worker_job)
