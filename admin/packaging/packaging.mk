# What a site needs beside the programs: a service, its user, its configuration.
# systemd looks into these folders of /usr and of /usr/local.
systemdunitdir = $(prefix)/lib/systemd/system
systemdunit_DATA = admin/packaging/tercet.service
sysusersdir = $(prefix)/lib/sysusers.d
exampledir = $(docdir)/examples
dist_example_DATA = %D%/logrotate %D%/alerts.yml %D%/Containerfile \
	examples/README.md examples/jobs_kafka.py examples/log_kafka.py examples/sensor_mqtt.py \
	examples/worker_amqp.py
testingdir = $(exampledir)/testing
dist_testing_DATA = examples/testing/README.md examples/testing/conftest.py \
	examples/testing/test_orders.py examples/testing/TercetBroker.java \
	examples/testing/tercet_test.go
EXTRA_DIST += %D%/tercet.service.in %D%/sysusers.conf %D%/container.conf
CLEANFILES += admin/packaging/tercet.service admin/packaging/tercet.conf

admin/packaging/tercet.service: %D%/tercet.service.in Makefile
	$(AM_V_GEN)$(MKDIR_P) admin/packaging && sed -e 's,@sbindir[@],$(sbindir),' \
		-e 's,@sysconfdir[@],$(sysconfdir),' $(srcdir)/%D%/tercet.service.in >$@.new && mv $@.new $@
admin/packaging/tercet.conf: tercetd$(EXEEXT)
	$(AM_V_GEN)$(MKDIR_P) admin/packaging && ./tercetd$(EXEEXT) --print-config >$@.new && mv $@.new $@
noinst_DATA += admin/packaging/tercet.conf

# A configuration that is there is left alone; one that nobody changed goes again.
install-data-local: admin/packaging/tercet.conf
	$(MKDIR_P) $(DESTDIR)$(sysusersdir) $(DESTDIR)$(sysconfdir)/tercet
	$(INSTALL_DATA) $(srcdir)/%D%/sysusers.conf $(DESTDIR)$(sysusersdir)/tercet.conf
	test -e $(DESTDIR)$(sysconfdir)/tercet/tercet.conf || \
		$(INSTALL_DATA) admin/packaging/tercet.conf $(DESTDIR)$(sysconfdir)/tercet/tercet.conf
uninstall-local: admin/packaging/tercet.conf
	rm -f $(DESTDIR)$(sysusersdir)/tercet.conf
	if cmp -s admin/packaging/tercet.conf $(DESTDIR)$(sysconfdir)/tercet/tercet.conf; then \
		rm -f $(DESTDIR)$(sysconfdir)/tercet/tercet.conf; fi
	-rmdir $(DESTDIR)$(sysconfdir)/tercet 2>/dev/null
