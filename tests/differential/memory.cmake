dragnet_test(differential_memory memory_test.cc DEPS dragnet_module_memory dragnet_modules
  TIMEOUT 300)
