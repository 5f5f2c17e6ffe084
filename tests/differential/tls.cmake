# Against servers of four TLS libraries, and once through the agent with its sandbox.
dragnet_test(differential_tls tls_test.cc DEPS dragnet_modules TIMEOUT 300)
target_compile_definitions(differential_tls PRIVATE
  DRAGNET_AGENT="${CMAKE_RUNTIME_OUTPUT_DIRECTORY}/dragnet-agent")
foreach(program dragnet-agent dragnet-link dragnet-worker)
  if(TARGET ${program})
    add_dependencies(differential_tls ${program})
  endif()
endforeach()
