# The house's own checks, and what all tests share. A room's unit tests stand in its fragment.
TESTS += %D%/style/tidy %D%/style/tidy_finds %D%/style/format
EXTRA_DIST += .clang-format .editorconfig %D%/run \
	%D%/style/tidy %D%/style/tidy.awk %D%/style/tidy_finds %D%/style/format \
	%D%/style/layers %D%/style/long-functions \
	%D%/lib/tercet.py %D%/lib/suite.h
EXTRA_DIST += dev .ci/run
