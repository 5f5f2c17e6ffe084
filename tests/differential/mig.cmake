dragnet_test(differential_mig mig_test.cc DEPS dragnet_modules dragnet_core dep_zlib LABELS sanitized)
target_compile_definitions(differential_mig PRIVATE
  MIG_RESULTS="${CMAKE_SOURCE_DIR}/tests/mig/results")
