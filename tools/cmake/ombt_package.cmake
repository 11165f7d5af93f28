# SPDX-License-Identifier: Apache-2.0
# What `cmake --install` and `cpack -G DEB` bring to a node beside the programs: manual pages, bash
# completion, a systemd unit and its user, licence and documents.
include(GNUInstallDirs)

set(OMBT_DOCUMENTS "${CMAKE_BINARY_DIR}/share")
set(ombt_packaging "${CMAKE_SOURCE_DIR}/tools/packaging")

# ombt_program_documents(NAME): the manual page and the completion of a program, made from what it
# prints. They are part of `all`, so that an install after a build has them.
function(ombt_program_documents name)
  set_property(GLOBAL APPEND PROPERTY OMBT_PROGRAMS ${name})
  if(OMBT_FUZZ)
    return()  # those builds are not installed
  endif()
  set(page "${OMBT_DOCUMENTS}/man/man1/${name}.1.gz")
  set(completion "${OMBT_DOCUMENTS}/bash-completion/completions/${name}")
  foreach(kind IN ITEMS page completion)
    set(file "${${kind}}")
    cmake_path(GET file PARENT_PATH folder)
    file(MAKE_DIRECTORY "${folder}")
    add_custom_command(OUTPUT "${file}"
      COMMAND "${ombt_packaging}/write_document" ${kind} $<TARGET_FILE:${name}> ${PROJECT_VERSION}
        "${file}"
      DEPENDS ${name} "${ombt_packaging}/write_document" "${ombt_packaging}/help_text.sh"
        "${ombt_packaging}/make_man_page" "${ombt_packaging}/man_page.awk"
        "${ombt_packaging}/make_completion"
      COMMENT "Writing the ${kind} of ${name}"
      VERBATIM)
  endforeach()
  add_custom_target(${name}_documents ALL DEPENDS "${page}" "${completion}")
  install(FILES "${page}" DESTINATION "${CMAKE_INSTALL_MANDIR}/man1")
  install(FILES "${completion}" DESTINATION "${CMAKE_INSTALL_DATADIR}/bash-completion/completions")
endfunction()

# ombt_package(): to be called once, after everything that is installed has been added.
macro(ombt_package)
  install(FILES "${CMAKE_SOURCE_DIR}/LICENSE" RENAME copyright
    DESTINATION "${CMAKE_INSTALL_DATADIR}/doc/ombt")
  install(FILES "${CMAKE_SOURCE_DIR}/README.md" DESTINATION "${CMAKE_INSTALL_DATADIR}/doc/ombt")
  # Where systemd looks, whatever the machine's LIBDIR is.
  install(FILES "${ombt_packaging}/ombt-agent@.service" DESTINATION lib/systemd/system)
  install(FILES "${ombt_packaging}/ombt.sysusers" RENAME ombt.conf DESTINATION lib/sysusers.d)

  set(CPACK_GENERATOR DEB)
  set(CPACK_PACKAGE_NAME ombt)
  set(CPACK_PACKAGE_VENDOR "the ombt project")
  set(CPACK_PACKAGE_CONTACT "the ombt project <ombt@localhost>")
  set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "${PROJECT_DESCRIPTION}")
  set(CPACK_STRIP_FILES TRUE)
  set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
  set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
  set(CPACK_DEBIAN_PACKAGE_SECTION net)
  set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
  set(CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA "${ombt_packaging}/postinst")
  set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION TRUE)
  # Not recommended: installing it starts a public broker, and only ombt-bus needs it.
  set(CPACK_DEBIAN_PACKAGE_SUGGESTS rabbitmq-server)
  set(CPACK_SOURCE_GENERATOR "")
  include(CPack)
endmacro()
