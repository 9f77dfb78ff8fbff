# Programs that break things below gbill: see tests/faults/CHECKLIST.md.  They are tests with few
# rounds (label e2e: as shipped) and, with many, the long run (./dev soak).

# What records a program's writes stands between it and the C library, so no inline wrappers.
add_executable(power_log faults/power_log.c faults/trace.c faults/crash.c)
target_link_libraries(power_log PRIVATE bench_workload PkgConfig::LMDB)
target_compile_options(power_log PRIVATE -U_FORTIFY_SOURCE)

# What makes calls of the shipped programs fail.  It declares the C library's functions anew.
add_library(shim MODULE faults/shim.c)
set_target_properties(shim PROPERTIES PREFIX "")
target_link_libraries(shim PRIVATE ${CMAKE_DL_LIBS})
target_compile_options(shim PRIVATE -U_FORTIFY_SOURCE -fno-builtin -fno-sanitize=all)
target_link_options(shim PRIVATE -fno-sanitize=all)

add_library(faults_lab STATIC faults/lab.c faults/plan.c)
target_link_libraries(faults_lab PUBLIC gbill_store PkgConfig::MSGPACK)

add_executable(syscall_faults faults/syscall_faults.c)
target_link_libraries(syscall_faults PRIVATE faults_lab)
add_dependencies(syscall_faults gbill-agent shim)

add_executable(kill_cycles faults/kill_cycles.c)
target_link_libraries(kill_cycles PRIVATE faults_lab gbill_rollup)
add_dependencies(kill_cycles gbill-agent shim)

add_executable(rollup_faults faults/rollup_faults.c)
target_link_libraries(rollup_faults PRIVATE faults_lab bench_workload)
add_dependencies(rollup_faults gbill shim)

function(gbill_faults name)
    add_test(NAME faults_${name} COMMAND ${ARGN})
    set_tests_properties(faults_${name} PROPERTIES LABELS e2e TIMEOUT 280
        ENVIRONMENT "GBILL_BIN=${CMAKE_BINARY_DIR}")
endfunction()

gbill_faults(power_log power_log 2000)
gbill_faults(syscalls syscall_faults some)
gbill_faults(rollup rollup_faults some)
gbill_faults(kills kill_cycles 300)

add_executable(hostile faults/hostile.c)
target_link_libraries(hostile PRIVATE faults_lab bench_workload)
add_dependencies(hostile gbill-agent shim)
gbill_faults(hostile hostile 20000)
