# Every library that Dragnet uses, as one interface target each. Targets with
# the property DRAGNET_STATIC take the static form of a library: the agent's two
# resident programs do, because a static link with --gc-sections costs a third
# less memory than Debian's shared libraries (docs/performance.md).
find_package(Threads REQUIRED)
find_package(PkgConfig REQUIRED)
find_package(GTest REQUIRED)
find_program(PROTOC protoc REQUIRED)
find_program(GRPC_CPP_PLUGIN grpc_cpp_plugin REQUIRED)

define_property(TARGET PROPERTY DRAGNET_STATIC
  BRIEF_DOCS "Link third-party libraries statically")

# dragnet_dependency(name SHARED <items…> STATIC <items…>)
function(dragnet_dependency name)
  cmake_parse_arguments(arg "" "" "SHARED;STATIC" ${ARGN})
  add_library(${name} INTERFACE)
  set(is_static "$<BOOL:$<TARGET_PROPERTY:DRAGNET_STATIC>>")
  target_link_libraries(${name} INTERFACE
    "$<${is_static}:${arg_STATIC}>"
    "$<$<NOT:${is_static}>:${arg_SHARED}>")
endfunction()

# Static archives refer to each other in circles; a group lets the linker go
# round. One item, because CMake removes repeated ones.
function(dragnet_static_group out)
  list(TRANSFORM ARGN REPLACE "^(.+)$" "-l:lib\\1.a" OUTPUT_VARIABLE archives)
  list(JOIN archives "," archives)
  set(${out} "-Wl,--start-group,${archives},--end-group" PARENT_SCOPE)
endfunction()

pkg_check_modules(ABSL REQUIRED
  absl_status absl_statusor absl_strings absl_str_format absl_time absl_synchronization
  absl_flat_hash_map absl_flat_hash_set absl_span absl_cleanup)
pkg_get_variable(ABSL_LIBDIR absl_status libdir)
file(GLOB absl_archives ${ABSL_LIBDIR}/libabsl_*.a)
set(absl_names)
foreach(archive ${absl_archives})
  get_filename_component(name ${archive} NAME_WE)
  string(REGEX REPLACE "^lib" "" name ${name})
  # Flags and test tooling bring static constructors of their own.
  if(NOT name MATCHES "flags|random_internal_distribution_test")
    list(APPEND absl_names ${name})
  endif()
endforeach()

dragnet_static_group(absl_static ${absl_names})
dragnet_static_group(protobuf_static protobuf z)
dragnet_static_group(crypto_static crypto)
dragnet_static_group(ssl_static ssl crypto)
dragnet_static_group(sqlite_static sqlite3)
# Debian's libyara has the modules cuckoo (jansson) and magic.
dragnet_static_group(yara_static yara jansson magic bz2 lzma z crypto)
# libhs.a has the compiler and, by CPU, four builds of the scanner.
dragnet_static_group(vectorscan_static hs)
dragnet_static_group(grpc_static
  grpc++ grpc gpr upb address_sorting cares re2 ssl crypto protobuf z ${absl_names})

dragnet_dependency(dep_absl SHARED ${ABSL_LINK_LIBRARIES} STATIC ${absl_static})
dragnet_dependency(dep_protobuf SHARED protobuf STATIC ${protobuf_static})
dragnet_dependency(dep_crypto SHARED crypto STATIC ${crypto_static})
dragnet_dependency(dep_ssl SHARED ssl crypto STATIC ${ssl_static})
dragnet_dependency(dep_seccomp SHARED seccomp STATIC -l:libseccomp.a)
dragnet_dependency(dep_re2 SHARED re2 STATIC -l:libre2.a)
dragnet_dependency(dep_sqlite SHARED sqlite3 STATIC ${sqlite_static} m)
dragnet_dependency(dep_yara SHARED yara STATIC ${yara_static} m)
dragnet_dependency(dep_vectorscan SHARED hs STATIC ${vectorscan_static} m)
# Of libarchive, --gc-sections keeps the formats that are asked for by name.
dragnet_static_group(archive_static archive z bz2 lzma zstd lz4 nettle crypto)
dragnet_dependency(dep_archive SHARED archive STATIC ${archive_static})
dragnet_dependency(dep_zlib SHARED z STATIC -l:libz.a)
dragnet_dependency(dep_compression
  SHARED z bz2 lzma zstd lz4 STATIC -l:libz.a -l:libbz2.a -l:liblzma.a -l:libzstd.a -l:liblz4.a)
dragnet_dependency(dep_grpc SHARED grpc++ grpc gpr STATIC ${grpc_static})
# The scheduler alone uses it, and takes the shared one.
dragnet_dependency(dep_microhttpd SHARED microhttpd STATIC microhttpd)
# Its macros put no names of files into programs: packages are the same bytes wherever they
# are built.
target_compile_definitions(dep_crypto INTERFACE OPENSSL_NO_FILENAMES)
target_compile_definitions(dep_ssl INTERFACE OPENSSL_NO_FILENAMES)
foreach(dependency dep_absl dep_protobuf dep_crypto dep_ssl dep_sqlite dep_grpc)
  target_link_libraries(${dependency} INTERFACE Threads::Threads)
endforeach()

# The console alone uses it.
dragnet_dependency(dep_ncurses SHARED ncursesw tinfo STATIC ncursesw tinfo)
# Reads PKCS#11 URIs and has the header; the console alone uses it.
pkg_check_modules(P11KIT REQUIRED IMPORTED_TARGET p11-kit-1)
add_library(dep_p11kit INTERFACE)
target_link_libraries(dep_p11kit INTERFACE PkgConfig::P11KIT ${CMAKE_DL_LIBS})

pkg_check_modules(RE2 REQUIRED re2)
pkg_check_modules(SECCOMP REQUIRED libseccomp)
pkg_check_modules(MICROHTTPD REQUIRED libmicrohttpd)
pkg_check_modules(TCMALLOC REQUIRED IMPORTED_TARGET libtcmalloc_minimal)
pkg_check_modules(PQ REQUIRED IMPORTED_TARGET libpq)
pkg_check_modules(NATS REQUIRED IMPORTED_TARGET libnats)
pkg_check_modules(CURL REQUIRED IMPORTED_TARGET libcurl)
pkg_check_modules(FMT REQUIRED IMPORTED_TARGET fmt)
pkg_check_modules(SPDLOG REQUIRED IMPORTED_TARGET spdlog)

# Packs alone are YAML; the console alone reads them.
find_package(yaml-cpp REQUIRED)
add_library(dep_yaml INTERFACE)
target_link_libraries(dep_yaml INTERFACE yaml-cpp)
