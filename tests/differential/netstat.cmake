dragnet_test(differential_netstat netstat_test.cc DEPS dragnet_modules TIMEOUT 300)
