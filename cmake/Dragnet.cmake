# How targets of this project are made: one function per kind.

add_library(dragnet_options INTERFACE)
target_compile_options(dragnet_options INTERFACE
  # GCC 12 sees overlapping copies in std::string's operator+ (GCC bug 105651).
  -Wall -Wextra $<$<CXX_COMPILER_ID:GNU>:-Wno-restrict>
  # Clang: libstdc++ 12's std::stable_sort uses what C++17 deprecated; and a designated
  # initialiser without all fields is what C++20 has them for.
  $<$<CXX_COMPILER_ID:Clang>:-Wno-deprecated-declarations$<SEMICOLON>-Wno-missing-designated-field-initializers>
  $<$<BOOL:${DRAGNET_WERROR}>:-Werror>
  -ffunction-sections -fdata-sections -fstack-protector-strong -fstack-clash-protection
  # libstdc++ checks indices and iterators. Of what FORTIFY_SOURCE does, Clang does a part.
  -D_GLIBCXX_ASSERTIONS
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
# CCACHE_SLOPPINESS=pch_defines,time_macros and, not to read them whole for each file,
# CCACHE_PCH_EXTSUM; ./dev sets all. What a file uses it includes itself all the same: a build
# without this shows.
set(precompiled_common
  <algorithm> <atomic> <chrono> <cstdint> <deque> <filesystem> <fstream> <functional> <map> <memory>
  <mutex> <optional> <set> <string> <string_view> <thread> <unordered_map> <utility> <variant>
  <vector>
  <absl/container/flat_hash_map.h> <absl/container/flat_hash_set.h> <absl/status/status.h>
  <absl/status/statusor.h> <absl/synchronization/mutex.h> <absl/time/time.h>
  <google/protobuf/descriptor.pb.h> <google/protobuf/map_field.h> <google/protobuf/message.h>
  <google/protobuf/util/time_util.h> <nlohmann/json.hpp>)
# Of code that speaks to others: the scheduler, the console, and what tests them.
set(precompiled_speaking ${precompiled_common}
  <grpcpp/grpcpp.h> <dragnet/v1/agent_gateway.grpc.pb.h> <dragnet/v1/cluster.pb.h>
  <dragnet/v1/investigator.grpc.pb.h>)
# Which of them the targets of a directory take: common or speaking.
set(DRAGNET_PRECOMPILE common)

# dragnet_precompiled_sum(target headers…)
# What ccache takes for the content of the target's precompiled headers (CCACHE_PCH_EXTSUM):
# the same wherever it is built, as the file itself is not.
function(dragnet_precompiled_sum target)
  set(suffix pch)
  if(CMAKE_CXX_COMPILER_ID STREQUAL GNU)
    set(suffix gch)
  endif()
  set(file ${CMAKE_BINARY_DIR}/CMakeFiles/${target}.dir/cmake_pch.hxx.${suffix}.sum)
  set(includes "")
  set(protos "")
  set(sums "")
  foreach(header ${ARGN})
    # Those that are generated aren't there yet: their sources count.
    if(header MATCHES "^<(dragnet/v1/[a-z_]+)\\.")
      file(GLOB protos ${CMAKE_SOURCE_DIR}/proto/dragnet/v1/*.proto)
    else()
      string(APPEND includes "#include ${header}\n")
    endif()
  endforeach()
  foreach(proto ${protos})
    file(SHA256 ${proto} sum)
    string(APPEND sums ${sum})
  endforeach()
  file(WRITE ${file}.cc "${includes}")
  execute_process(COMMAND ${CMAKE_CXX_COMPILER} -std=c++20 -E -P ${file}.cc
                  OUTPUT_FILE ${file}.ii COMMAND_ERROR_IS_FATAL ANY)
  file(SHA256 ${file}.ii sum)
  file(WRITE ${file} ${sum}${sums})
  # Made anew when Debian's packages of these are.
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${protos}
    /usr/include/absl/base/config.h /usr/include/google/protobuf/message.h
    /usr/include/grpcpp/grpcpp.h /usr/include/gtest/gtest.h)
endfunction()

# dragnet_precompile(name DEPS targets… HEADERS headers…)
# Targets whose precompiled headers others take: dragnet_precompiled_<name>, and for tests
# dragnet_precompiled_<name>_tests.
function(dragnet_precompile name)
  cmake_parse_arguments(arg "" "" "DEPS;HEADERS" ${ARGN})
  set(library dragnet_precompiled_${name})
  set(tests dragnet_precompiled_${name}_tests)
  file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/${library}.cc CONTENT "")
  file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/${tests}.cc CONTENT "int main() {}\n")
  add_library(${library} STATIC ${CMAKE_BINARY_DIR}/${library}.cc)
  target_link_libraries(${library} PRIVATE dragnet_options ${arg_DEPS})
  target_precompile_headers(${library} PRIVATE ${arg_HEADERS})
  dragnet_precompiled_sum(${library} ${arg_HEADERS})
  # A program, since those are compiled otherwise than libraries (-fPIE).
  add_executable(${tests} ${CMAKE_BINARY_DIR}/${tests}.cc)
  target_link_libraries(${tests} PRIVATE dragnet_options ${arg_DEPS} GTest::gmock GTest::gtest_main)
  set_target_properties(${tests} PROPERTIES DRAGNET_UNOPTIMISED ON
    RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/test)
  target_compile_options(${tests} PRIVATE -O0)
  target_precompile_headers(${tests} PRIVATE <gmock/gmock.h> <gtest/gtest.h> ${arg_HEADERS})
  dragnet_precompiled_sum(${tests} <gmock/gmock.h> <gtest/gtest.h> ${arg_HEADERS})
endfunction()

if(DRAGNET_PRECOMPILED)
  # ccache sees through it only so.
  if(CMAKE_CXX_COMPILER_ID STREQUAL GNU)
    add_compile_options(-fpch-preprocess)
  else()
    add_compile_options("SHELL:-Xclang -fno-pch-timestamp")
  endif()
  # GCC 12's optimiser sees moved short strings reach past their 16 bytes when their code
  # comes from a precompiled header. A build without one warns of what is real.
  if(CMAKE_CXX_COMPILER_ID STREQUAL GNU)
    target_compile_options(dragnet_options INTERFACE
      -Wno-array-bounds -Wno-stringop-overflow -Wno-stringop-overread)
  endif()
  dragnet_precompile(common HEADERS ${precompiled_common})
  dragnet_precompile(speaking
    DEPS dragnet_gateway_proto_grpc dragnet_investigator_proto_grpc dragnet_cluster_proto
    HEADERS ${precompiled_speaking})
endif()

# dragnet_library(name sources… [DEPS targets…])
function(dragnet_library name)
  cmake_parse_arguments(arg "" "" "DEPS" ${ARGN})
  add_library(${name} STATIC ${arg_UNPARSED_ARGUMENTS})
  target_link_libraries(${name} PRIVATE dragnet_options PUBLIC ${arg_DEPS})
  target_include_directories(${name} PUBLIC ${CMAKE_SOURCE_DIR} ${CMAKE_BINARY_DIR}/gen)
  if(DRAGNET_PRECOMPILED)
    target_precompile_headers(${name} REUSE_FROM dragnet_precompiled_${DRAGNET_PRECOMPILE})
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
#   sanitized  also run under AddressSanitizer and UndefinedBehaviorSanitizer, or only so,
#              with DRAGNET_SANITIZED_TESTS_ELSEWHERE
#   threaded   also run under ThreadSanitizer
function(dragnet_test name)
  cmake_parse_arguments(arg "" "TIMEOUT" "DEPS;LABELS" ${ARGN})
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 600)
  endif()
  add_executable(${name} ${arg_UNPARSED_ARGUMENTS})
  target_link_libraries(${name} PRIVATE dragnet_options ${arg_DEPS} GTest::gmock GTest::gtest_main)
  # A test is compiled more often than it is run.
  set_target_properties(${name} PROPERTIES DRAGNET_UNOPTIMISED ON
    RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/test)
  target_compile_options(${name} PRIVATE -O0)
  if(DRAGNET_PRECOMPILED)
    target_precompile_headers(${name} REUSE_FROM dragnet_precompiled_${DRAGNET_PRECOMPILE}_tests)
  endif()
  if("sanitized" IN_LIST arg_LABELS AND DRAGNET_SANITIZED_TESTS_ELSEWHERE AND NOT DRAGNET_SANITIZE)
    set_target_properties(${name} PROPERTIES EXCLUDE_FROM_ALL ON)
    return()
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
