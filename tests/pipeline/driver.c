/* A driver of one GPU that is not there: libcuda and libnvidia-ml in one, for tests of what NVML says.
 *
 * The file named by AUTOTUNE_TEST_GPU holds what it answers: event reasons, clock in MHz, used MiB, energy in
 * mJ, number of the process on it (0 for none). Where a number is negative the question is refused. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { REASONS, CLOCK, USED, ENERGY, PROCESS, COUNT };
enum { SUCCESS = 0, NOT_SUPPORTED = 3, INSUFFICIENT_SIZE = 7 };

static long long state(int which)
{
    long long values[COUNT] = {-1, -1, -1, -1, -1};
    const char *name = getenv("AUTOTUNE_TEST_GPU");
    FILE *file = name ? fopen(name, "r") : NULL;
    if (file) {
        for (int i = 0; i < COUNT && fscanf(file, "%lld", &values[i]) == 1; i++) { }
        fclose(file);
    }
    return values[which];
}

int cuInit(unsigned flags) { return 0; }
int cuDeviceGet(int *device, int ordinal) { *device = ordinal; return ordinal != 0; }
int cuDeviceGetUuid_v2(void *uuid, int device) { memset(uuid, 7, 16); return 0; }

int nvmlInit_v2(void) { return SUCCESS; }
int nvmlInitWithFlags(unsigned flags) { return SUCCESS; }
int nvmlShutdown(void) { return SUCCESS; }
const char *nvmlErrorString(int result) { return "refused"; }
int nvmlDeviceGetHandleByUUID(const char *uuid, void **handle)
{
    *handle = (void *)1;
    return strncmp(uuid, "GPU-", 4) ? NOT_SUPPORTED : SUCCESS;
}
int nvmlDeviceGetMigMode(void *handle, unsigned *current, unsigned *pending) { return NOT_SUPPORTED; }
int nvmlDeviceGetClockInfo(void *handle, int kind, unsigned *clock)
{
    *clock = (unsigned)state(CLOCK);
    return state(CLOCK) < 0 ? NOT_SUPPORTED : SUCCESS;
}
int nvmlDeviceGetMaxClockInfo(void *handle, int kind, unsigned *clock) { *clock = 1980; return SUCCESS; }
int nvmlDeviceGetCurrentClocksEventReasons(void *handle, unsigned long long *reasons)
{
    *reasons = (unsigned long long)state(REASONS);
    return state(REASONS) < 0 ? NOT_SUPPORTED : SUCCESS;
}
int nvmlDeviceGetPowerUsage(void *handle, unsigned *milliwatts) { *milliwatts = 123000; return SUCCESS; }
int nvmlDeviceGetTemperature(void *handle, int sensor, unsigned *celsius) { *celsius = 71; return SUCCESS; }
int nvmlDeviceGetTotalEnergyConsumption(void *handle, unsigned long long *millijoules)
{
    *millijoules = (unsigned long long)state(ENERGY);
    return state(ENERGY) < 0 ? NOT_SUPPORTED : SUCCESS;
}

struct memory { unsigned version; unsigned long long total, reserved, free, used; };
int nvmlDeviceGetMemoryInfo_v2(void *handle, struct memory *memory)
{
    memory->used = (unsigned long long)state(USED) << 20;
    return state(USED) < 0 ? NOT_SUPPORTED : SUCCESS;
}

struct process { unsigned pid; unsigned long long used; unsigned instance, compute; };
int nvmlDeviceGetComputeRunningProcesses_v3(void *handle, unsigned *count, struct process *found)
{
    unsigned room = *count;
    long long pid = state(PROCESS);
    if (pid < 0)
        return NOT_SUPPORTED;
    *count = pid ? 1 : 0;
    if (!pid)
        return SUCCESS;
    if (!room)
        return INSUFFICIENT_SIZE;
    found[0] = (struct process){(unsigned)pid, 5ULL << 20, 0, 0};
    return SUCCESS;
}
