# Programs that break things below gbill: see tests/faults/CHECKLIST.md.  They are tests with few
# rounds (label e2e: as shipped) and, with many, the long run (./dev soak).

# What records a program's writes stands between it and the C library, so no inline wrappers.
add_executable(power_log faults/power_log.c faults/trace.c faults/crash.c)
target_link_libraries(power_log PRIVATE bench_workload PkgConfig::LMDB)
target_compile_options(power_log PRIVATE -U_FORTIFY_SOURCE)
add_test(NAME faults_power_log COMMAND power_log 2000)
set_tests_properties(faults_power_log PROPERTIES LABELS e2e TIMEOUT 280)

# What makes calls of the shipped programs fail.  It declares the C library's functions anew.
add_library(shim MODULE faults/shim.c)
set_target_properties(shim PROPERTIES PREFIX "")
target_link_libraries(shim PRIVATE ${CMAKE_DL_LIBS})
target_compile_options(shim PRIVATE -U_FORTIFY_SOURCE -fno-builtin -fno-sanitize=all)
target_link_options(shim PRIVATE -fno-sanitize=all)

add_library(faults_lab STATIC faults/lab.c)
target_link_libraries(faults_lab PUBLIC gbill_store PkgConfig::MSGPACK)

add_executable(syscall_faults faults/syscall_faults.c)
target_link_libraries(syscall_faults PRIVATE faults_lab)
add_dependencies(syscall_faults gbill-agent shim)
