/* Stands in for NVIDIA's driver and NVML on machines that have neither: answers by the variable CARD.

   "whole" is a GPU. "old" is one whose driver knows little. "slice" is cut by MIG, and CUDA names the slice;
   "nameless" is too, but CUDA names the GPU; "slices" has two slices and CUDA names the GPU. "refuses" is there
   and tells nothing. A handle is 1 for the GPU, and 2 and 3 for its slices. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { DONE = 0, REFUSED = 3, NOT_FOUND = 6, TOO_SMALL = 7 };

typedef struct { unsigned long long total, free, used; } Memory;
typedef struct { unsigned version; unsigned long long total, reserved, free, used; } NewerMemory;
typedef struct { unsigned pid; unsigned long long bytes; unsigned group, compute; } Process;

static int is(const char *name) { return strcmp(getenv("CARD"), name) == 0; }
static int is_cut(void) { return is("slice") || is("nameless") || is("slices"); }
static const char *NAMES[] = {"", "GPU-11111111-1111-1111-1111-111111111111",
                              "MIG-22222222-2222-2222-2222-222222222222",
                              "MIG-33333333-3333-3333-3333-333333333333"};

int cuInit(unsigned flags) { return DONE; }
int cuDeviceGet(int *device, int index) { *device = index; return index ? 101 : DONE; }
int cuDeviceGetUuid_v2(void *uuid, int device) {
    memset(uuid, is("slice") ? 0x22 : 0x11, 16);
    return DONE;
}

int nvmlInitWithFlags(unsigned flags) { return DONE; }
int nvmlDeviceGetHandleByUUID(const char *uuid, void **handle) {
    long count = is_cut() ? 3 : 1;
    for (long one = 1; one <= count && !is("refuses"); one++)
        if (strcmp(uuid, NAMES[one]) == 0) { *handle = (void *)one; return DONE; }
    return NOT_FOUND;
}
int nvmlDeviceGetUUID(void *handle, char *uuid, unsigned size) {
    strncpy(uuid, NAMES[(long)handle], size);
    return DONE;
}
int nvmlDeviceGetMigMode(void *handle, unsigned *now, unsigned *later) {
    if (is("old")) return REFUSED;
    *now = *later = is_cut();
    return DONE;
}
int nvmlDeviceGetMaxMigDeviceCount(void *handle, unsigned *count) { *count = 7; return DONE; }
int nvmlDeviceGetMigDeviceHandleByIndex(void *handle, unsigned index, void **slice) {
    if (index >= (is("slices") ? 2u : 1u)) return NOT_FOUND;
    *slice = (void *)(2L + index);
    return DONE;
}
int nvmlDeviceIsMigDeviceHandle(void *handle, unsigned *answer) { *answer = (long)handle > 1; return DONE; }
int nvmlDeviceGetDeviceHandleFromMigDeviceHandle(void *slice, void **handle) {
    *handle = (void *)1;
    return DONE;
}
int nvmlDeviceGetMemoryInfo(void *handle, Memory *memory) {
    *memory = (Memory){1000, 600, 400};
    return DONE;
}
int nvmlDeviceGetMemoryInfo_v2(void *handle, NewerMemory *memory) {
    if (is("old")) return REFUSED;
    unsigned long long part = (long)handle > 1 ? 10 : 1;
    *memory = (NewerMemory){memory->version, 1000 / part, 100 / part, 600 / part, 300 / part};
    return DONE;
}
int nvmlDeviceGetComputeRunningProcesses_v3(void *handle, unsigned *count, Process *found) {
    unsigned room = *count;
    if (is_cut()) return REFUSED;
    *count = 2;
    if (room < 2) return TOO_SMALL;
    found[0] = (Process){(unsigned)getpid(), is("old") ? ~0ULL : 250, 0, 0};
    found[1] = (Process){1, 50, 0, 0};
    return DONE;
}
