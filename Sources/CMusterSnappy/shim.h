// The system's libsnappy for Swift: its C interface is all that is used.
#ifndef MUSTER_SNAPPY_SHIM_H
#define MUSTER_SNAPPY_SHIM_H

#include <snappy-c.h>

#endif
