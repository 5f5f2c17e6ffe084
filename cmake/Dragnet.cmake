# How targets of this project are made: one function per kind.

add_library(dragnet_options INTERFACE)
target_compile_definitions(dragnet_options INTERFACE DRAGNET_VERSION="${PROJECT_VERSION}")
target_compile_options(dragnet_options INTERFACE
  # GCC 12 sees overlapping copies in std::string's operator+ (GCC bug 105651).
  -Wall -Wextra $<$<CXX_COMPILER_ID:GNU>:-Wno-restrict> $<$<BOOL:${DRAGNET_WERROR}>:-Werror>
  -ffunction-sections -fdata-sections -fstack-protector-strong
  $<$<CONFIG:RelWithDebInfo>:-D_FORTIFY_SOURCE=2>)
target_link_options(dragnet_options INTERFACE
  -Wl,--gc-sections -Wl,-z,relro -Wl,-z,now -Wl,--as-needed)
target_include_directories(dragnet_options INTERFACE ${CMAKE_SOURCE_DIR} ${CMAKE_BINARY_DIR}/gen)

# Sanitizers apply to all code of this project, generated code included.
if(DRAGNET_SANITIZE)
  add_compile_options(-fsanitize=${DRAGNET_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${DRAGNET_SANITIZE})
  set(DRAGNET_STATIC_AGENT OFF)
endif()

# dragnet_library(name sources… [DEPS targets…])
function(dragnet_library name)
  cmake_parse_arguments(arg "" "" "DEPS" ${ARGN})
  add_library(${name} STATIC ${arg_UNPARSED_ARGUMENTS})
  target_link_libraries(${name} PRIVATE dragnet_options PUBLIC ${arg_DEPS})
  target_include_directories(${name} PUBLIC ${CMAKE_SOURCE_DIR} ${CMAKE_BINARY_DIR}/gen)
endfunction()

# dragnet_program(name sources… [DEPS targets…])
function(dragnet_program name)
  cmake_parse_arguments(arg "" "" "DEPS" ${ARGN})
  add_executable(${name} ${arg_UNPARSED_ARGUMENTS})
  target_link_libraries(${name} PRIVATE dragnet_options ${arg_DEPS})
endfunction()

# What ./dev test builds with sanitizers: tests labelled so.
add_custom_target(sanitized_tests)
add_custom_target(threaded_tests)

# dragnet_test(name sources… [DEPS targets…] [LABELS labels…] [TIMEOUT seconds])
# One GoogleTest program, one CTest entry. Labels with a meaning:
#   sanitized  also run under AddressSanitizer and UndefinedBehaviorSanitizer
#   threaded   also run under ThreadSanitizer
function(dragnet_test name)
  cmake_parse_arguments(arg "" "TIMEOUT" "DEPS;LABELS" ${ARGN})
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 120)
  endif()
  add_executable(${name} ${arg_UNPARSED_ARGUMENTS})
  target_link_libraries(${name} PRIVATE dragnet_options ${arg_DEPS} GTest::gmock GTest::gtest_main)
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/test)
  add_test(NAME ${name} COMMAND ${name})
  set_tests_properties(${name} PROPERTIES TIMEOUT ${arg_TIMEOUT} LABELS "${arg_LABELS}")
  foreach(label sanitized threaded)
    if(label IN_LIST arg_LABELS)
      add_dependencies(${label}_tests ${name})
    endif()
  endforeach()
endfunction()

# dragnet_proto_library(name ROOT directory PROTOS files… [GRPC] [DEPS targets…])
# ROOT is the import root; files are relative to it. Generated code goes below
# build/gen under the same relative path. With GRPC, services too, as a second
# library <name>_grpc, so that message users don't compile gRPC headers.
function(dragnet_proto_library name)
  cmake_parse_arguments(arg "GRPC" "ROOT" "PROTOS;DEPS" ${ARGN})
  set(gen ${CMAKE_BINARY_DIR}/gen)
  file(MAKE_DIRECTORY ${gen})
  set(includes -I ${arg_ROOT} -I ${CMAKE_SOURCE_DIR}/proto)
  set(sources)
  set(grpc_sources)
  foreach(proto ${arg_PROTOS})
    string(REGEX REPLACE "\\.proto$" "" stem ${proto})
    add_custom_command(
      OUTPUT ${gen}/${stem}.pb.cc ${gen}/${stem}.pb.h
      COMMAND ${PROTOC} ${includes} --cpp_out=${gen} ${arg_ROOT}/${proto}
      DEPENDS ${arg_ROOT}/${proto} VERBATIM)
    list(APPEND sources ${gen}/${stem}.pb.cc)
    if(arg_GRPC)
      add_custom_command(
        OUTPUT ${gen}/${stem}.grpc.pb.cc ${gen}/${stem}.grpc.pb.h
        COMMAND ${PROTOC} ${includes} --grpc_out=${gen}
                --plugin=protoc-gen-grpc=${GRPC_CPP_PLUGIN} ${arg_ROOT}/${proto}
        DEPENDS ${arg_ROOT}/${proto} VERBATIM)
      list(APPEND grpc_sources ${gen}/${stem}.grpc.pb.cc)
    endif()
  endforeach()
  add_library(${name} STATIC ${sources})
  target_include_directories(${name} PUBLIC ${gen})
  target_compile_options(${name} PRIVATE -ffunction-sections -fdata-sections)
  target_link_libraries(${name} PUBLIC ${arg_DEPS} dep_protobuf)
  if(arg_GRPC)
    add_library(${name}_grpc STATIC ${grpc_sources})
    target_compile_options(${name}_grpc PRIVATE -ffunction-sections -fdata-sections)
    target_link_libraries(${name}_grpc PUBLIC ${name} dep_grpc)
  endif()
endfunction()
