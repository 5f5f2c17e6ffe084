dragnet_test(differential_yara yara_test.cc DEPS dragnet_scan TIMEOUT 300)
