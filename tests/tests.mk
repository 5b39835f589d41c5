# The house's own checks, and what all tests share. A room's unit tests stand in its fragment.
TESTS += %D%/style/tidy %D%/style/tidy_finds %D%/style/format \
	%D%/style/conformance %D%/style/conformance_finds
EXTRA_DIST += dev .ci/run .clang-format .editorconfig README.md ARCHITECTURE.md CONTRIBUTING.md \
	SECURITY.md CHANGELOG.md LICENSE

# What tests of sessions have in place of net, and of a broker's boot.
NET_RIG = tests/lib/net_rig.c tests/lib/net_rig.h
MEM_CORE = tests/lib/mem_core.c tests/lib/mem_core.h

# Everything in these folders is distributed: a new script, seed or example needs no line here.
dist-hook:
	(cd $(top_srcdir) && find tests examples -type f ! -name '*.py[co]' -print | tar -cf - -T -) | \
		(cd $(distdir) && tar -xf -)

# Check's own limit of 4 s for a test is too short for a busy machine or a sanitizer.
AM_TESTS_ENVIRONMENT = CK_DEFAULT_TIMEOUT=$${CK_DEFAULT_TIMEOUT:-60}; export CK_DEFAULT_TIMEOUT;
