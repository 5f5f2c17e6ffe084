#include "modules/netstat/search.h"

#include <gtest/gtest.h>
