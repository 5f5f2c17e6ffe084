# How targets of this project are made: one function per kind.

add_library(dragnet_options INTERFACE)
target_compile_options(dragnet_options INTERFACE
  # GCC 12 sees overlapping copies in std::string's operator+ (GCC bug 105651).
  -Wall -Wextra $<$<CXX_COMPILER_ID:GNU>:-Wno-restrict> $<$<BOOL:${DRAGNET_WERROR}>:-Werror>
  -ffunction-sections -fdata-sections -fstack-protector-strong
  $<$<AND:$<CONFIG:RelWithDebInfo>,$<NOT:$<BOOL:$<TARGET_PROPERTY:DRAGNET_UNOPTIMISED>>>>:-D_FORTIFY_SOURCE=2>)
target_link_options(dragnet_options INTERFACE
  -Wl,--gc-sections -Wl,-z,relro -Wl,-z,now -Wl,--as-needed)
target_include_directories(dragnet_options INTERFACE ${CMAKE_SOURCE_DIR} ${CMAKE_BINARY_DIR}/gen)

# Sanitizers apply to all code of this project, generated code included.
if(DRAGNET_SANITIZE)
  add_compile_options(-fsanitize=${DRAGNET_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${DRAGNET_SANITIZE})
  set(DRAGNET_STATIC_AGENT OFF)
endif()

# Headers that most files include, compiled once. Off by default, because ccache then needs
# CCACHE_SLOPPINESS=pch_defines,time_macros and, not to read 130 MB for each file,
# CCACHE_PCH_EXTSUM; ./dev sets all. What a file uses it includes itself all the same: a build
# without this shows.
set(precompiled_headers
  <algorithm> <atomic> <chrono> <cstdint> <deque> <functional> <map> <memory> <mutex> <optional>
  <set> <string> <string_view> <thread> <unordered_map> <utility> <variant> <vector>
  <absl/status/status.h> <absl/status/statusor.h> <absl/time/time.h>
  <google/protobuf/map.h> <google/protobuf/message.h> <google/protobuf/util/time_util.h>)
set(precompiled_test_headers <gmock/gmock.h> <gtest/gtest.h> ${precompiled_headers})

# dragnet_precompiled_sum(target headers…)
# What ccache takes for the content of the target's precompiled headers (CCACHE_PCH_EXTSUM):
# the same wherever it is built, as the file itself is not.
function(dragnet_precompiled_sum target)
  set(includes "")
  foreach(header ${ARGN})
    string(APPEND includes "#include ${header}\n")
  endforeach()
  set(file ${CMAKE_BINARY_DIR}/CMakeFiles/${target}.dir/cmake_pch.hxx.gch.sum)
  file(WRITE ${file}.cc "${includes}")
  execute_process(COMMAND ${CMAKE_CXX_COMPILER} -std=c++20 -E -P ${file}.cc
                  OUTPUT_FILE ${file}.ii COMMAND_ERROR_IS_FATAL ANY)
  file(SHA256 ${file}.ii sum)
  file(WRITE ${file} ${sum})
  # Made anew when Debian's packages of these are.
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS
    /usr/include/absl/base/config.h /usr/include/google/protobuf/message.h
    /usr/include/gtest/gtest.h)
endfunction()

if(DRAGNET_PRECOMPILED)
  # ccache sees through it only so.
  add_compile_options(-fpch-preprocess)
  # GCC 12's optimiser sees moved short strings reach past their 16 bytes when their code
  # comes from a precompiled header. A build without one warns of what is real.
  if(CMAKE_CXX_COMPILER_ID STREQUAL GNU)
    target_compile_options(dragnet_options INTERFACE
      -Wno-array-bounds -Wno-stringop-overflow -Wno-stringop-overread)
  endif()
  file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/precompiled.cc CONTENT "")
  file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/precompiled_tests.cc CONTENT "int main() {}\n")
  add_library(dragnet_precompiled STATIC ${CMAKE_BINARY_DIR}/precompiled.cc)
  target_link_libraries(dragnet_precompiled PRIVATE dragnet_options)
  target_precompile_headers(dragnet_precompiled PRIVATE ${precompiled_headers})
  # A program, since those are compiled otherwise than libraries (-fPIE).
  add_executable(dragnet_precompiled_tests ${CMAKE_BINARY_DIR}/precompiled_tests.cc)
  target_link_libraries(dragnet_precompiled_tests PRIVATE dragnet_options GTest::gmock GTest::gtest_main)
  set_target_properties(dragnet_precompiled_tests PROPERTIES DRAGNET_UNOPTIMISED ON
    RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/test)
  target_compile_options(dragnet_precompiled_tests PRIVATE -O0)
  target_precompile_headers(dragnet_precompiled_tests PRIVATE ${precompiled_test_headers})
  dragnet_precompiled_sum(dragnet_precompiled ${precompiled_headers})
  dragnet_precompiled_sum(dragnet_precompiled_tests ${precompiled_test_headers})
endif()

# dragnet_library(name sources… [DEPS targets…])
function(dragnet_library name)
  cmake_parse_arguments(arg "" "" "DEPS" ${ARGN})
  add_library(${name} STATIC ${arg_UNPARSED_ARGUMENTS})
  target_link_libraries(${name} PRIVATE dragnet_options PUBLIC ${arg_DEPS})
  target_include_directories(${name} PUBLIC ${CMAKE_SOURCE_DIR} ${CMAKE_BINARY_DIR}/gen)
  if(DRAGNET_PRECOMPILED)
    target_precompile_headers(${name} REUSE_FROM dragnet_precompiled)
  endif()
endfunction()

# dragnet_program(name sources… [DEPS targets…])
function(dragnet_program name)
  cmake_parse_arguments(arg "" "" "DEPS" ${ARGN})
  add_executable(${name} ${arg_UNPARSED_ARGUMENTS})
  target_link_libraries(${name} PRIVATE dragnet_options ${arg_DEPS})
  # The id is a hash over debug information as well, and so over the paths of the build:
  # without it a program is the same wherever it is built. Taking it out afterwards costs
  # the program its GNU_RELRO segment (binutils 2.40).
  target_link_options(${name} PRIVATE -Wl,--build-id=none)
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
    set(arg_TIMEOUT 300)
  endif()
  add_executable(${name} ${arg_UNPARSED_ARGUMENTS})
  target_link_libraries(${name} PRIVATE dragnet_options ${arg_DEPS} GTest::gmock GTest::gtest_main)
  # A test is compiled more often than it is run.
  set_target_properties(${name} PROPERTIES DRAGNET_UNOPTIMISED ON
    RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/test)
  target_compile_options(${name} PRIVATE -O0)
  if(DRAGNET_PRECOMPILED)
    target_precompile_headers(${name} REUSE_FROM dragnet_precompiled_tests)
  endif()
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
