# cmake --install: the units that run the programs, and the programs' manual pages.  Units name the programs where they are installed,
# so CMAKE_INSTALL_PREFIX is chosen when the build is configured.
include(GNUInstallDirs)

set(GBILL_BINDIR "${CMAKE_INSTALL_FULL_BINDIR}")
set(GBILL_SBINDIR "${CMAKE_INSTALL_FULL_SBINDIR}")
set(GBILL_DOCDIR "${CMAKE_INSTALL_FULL_DOCDIR}")
set(GBILL_UNITS "${CMAKE_CURRENT_LIST_DIR}")

foreach(unit gbill-agent.service gbill.service gbill-jobs.service gbill-publish.service
        gbill-notify.service gbill-stripe.service gbill-ship.service gbill-api.service)
    configure_file("${GBILL_UNITS}/${unit}.in" "${CMAKE_BINARY_DIR}/systemd/${unit}" @ONLY)
    install(FILES "${CMAKE_BINARY_DIR}/systemd/${unit}" DESTINATION lib/systemd/system)
endforeach()
install(FILES "${GBILL_UNITS}/gbill-jobs.timer" "${GBILL_UNITS}/gbill-publish.timer"
    "${GBILL_UNITS}/gbill-notify.timer" "${GBILL_UNITS}/gbill-stripe.timer" DESTINATION lib/systemd/system)
install(FILES "${GBILL_UNITS}/gbill.sysusers" DESTINATION lib/sysusers.d RENAME gbill.conf)
install(FILES "${GBILL_UNITS}/OPERATIONS.md" DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(FILES "${GBILL_UNITS}/gbill.1" DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
install(FILES "${GBILL_UNITS}/gbill-agent.8" DESTINATION ${CMAKE_INSTALL_MANDIR}/man8)
