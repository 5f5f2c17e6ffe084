namespace dragnet::console {}
