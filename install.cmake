# cmake --install: where Debian expects things.  The pkg-config file finds its tree by its own place,
# so a tree installed with --prefix, or moved, can be used as it is.
include(GNUInstallDirs)

install(TARGETS gbill RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(TARGETS gbill-agent RUNTIME DESTINATION ${CMAKE_INSTALL_SBINDIR})
install(TARGETS gbill_shared LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(FILES "${CMAKE_BINARY_DIR}/libgbill.a" DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(FILES ingest/client/gbill.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})

file(RELATIVE_PATH GBILL_PREFIX_FROM_PC
    "/prefix/${CMAKE_INSTALL_LIBDIR}/pkgconfig" "/prefix")
configure_file(ingest/client/gbill.pc.in gbill.pc @ONLY)
install(FILES "${CMAKE_BINARY_DIR}/gbill.pc" DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

install(FILES ingest/client/gbill.3 DESTINATION ${CMAKE_INSTALL_MANDIR}/man3)
install(FILES ingest/client/example/track.c DESTINATION ${CMAKE_INSTALL_DOCDIR}/examples)
install(FILES README.md LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})

# The books and migrations, which the programs look for in GBILL_SCHEMAS_DIR, and what they mean.
install(FILES schemas/prices.json schemas/plans.json DESTINATION ${CMAKE_INSTALL_DATADIR}/gbill)
install(DIRECTORY schemas/postgres DESTINATION ${CMAKE_INSTALL_DATADIR}/gbill
    FILES_MATCHING PATTERN "*.sql")
file(GLOB formats CONFIGURE_DEPENDS schemas/*.md)
install(FILES ${formats} DESTINATION ${CMAKE_INSTALL_DOCDIR}/schemas)
install(CODE "
    set(installed \"\${CMAKE_INSTALL_PREFIX}/${CMAKE_INSTALL_DATADIR}/gbill\")
    if(NOT installed STREQUAL \"${GBILL_SCHEMAS_DIR}\")
        message(STATUS \"gbill looks for its books in ${GBILL_SCHEMAS_DIR}; for an installation that \"
            \"needs no source tree use: cmake --preset package\")
    endif()")
