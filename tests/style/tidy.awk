# SPDX-License-Identifier: Apache-2.0
# The rules of tests/style/tidy, one pass over every file. Plain POSIX awk.
function say(m)
{
	printf "%s:%d: %s\n", FILENAME, FNR, m
	bad++
}

# The listed folder nearest above a file.
function room(path)
{
	while (sub(/\/[^\/]*$/, "", path))
		if (path in may)
			return path
	return ""
}

function has(list, r,    n, a, i)
{
	n = split(list, a, " ")
	for (i = 1; i <= n; i++)
		if (a[i] == r || a[i] == "*")
			return 1
	return 0
}

function words(list, into,    n, a, i)
{
	n = split(list, a, " ")
	for (i = 1; i <= n; i++)
		into[a[i]] = 1
}

# The line without strings, character constants and comments.
function code(line,    at)
{
	gsub(/'(\\.|[^'\\])'/, "0", line)
	gsub(/"(\\.|[^"\\])*"/, "\"\"", line)
	if (in_comment) {
		at = index(line, "*/")
		if (!at)
			return ""
		in_comment = 0
		line = substr(line, at + 2)
	}
	gsub(/\/\*[^*]*\*+([^\/*][^*]*\*+)*\//, " ", line)
	at = index(line, "/*")
	if (at) {
		in_comment = 1
		line = substr(line, 1, at - 1)
	}
	return line
}

function check_include(line,    to, target, k)
{
	if (match(line, /"[^"]*"/)) {
		target = substr(line, RSTART + 1, RLENGTH - 2)
		if (target == "config.h")
			return
		to = room(target)
		if (target !~ /\//)
			say("include by path from the top: " target)
		else if (to == "")
			say("no such room: " target)
		else if (to != here && !has(may[here], to))
			say(here " may not include " to)
	} else if (match(line, /<[^>]*>/)) {
		target = substr(line, RSTART, RLENGTH)
		for (k in outside)
			if (index(target, k) == 1 && here != "tests" && !has(outside[k], here))
				say(target " only in: " outside[k])
	}
}

function check_calls(line,    id)
{
	while (match(line, /[A-Za-z_][A-Za-z0-9_]*\(/)) {
		id = substr(line, RSTART, RLENGTH - 1)
		if (id in banned)
			say(id "() is banned")
		else if (id in allocators && here != "broker/base" && here != "tests")
			say(id "() only in broker/base: use mem_new or mem_try")
		line = substr(line, RSTART + RLENGTH)
	}
}

function end_of_function(    len, key, max)
{
	len = FNR - open_at + 1
	key = FILENAME ":" name
	max = key in allow ? allow[key] : 70
	if (len > max)
		say(name "() is " len " lines, the limit is " max)
	else if (key in allow && len < allow[key])
		say("lower " key " to " len " in tests/style/long-functions")
	open_at = 0
	seen_out = 0
}

function end_of_file()
{
	if (previous ~ /\.[ch]$/ && lines > 1000) {
		printf "%s: %d lines, the limit is 1000\n", previous, lines
		bad++
	}
}

BEGIN {
	while ((getline row < "tests/style/layers") > 0) {
		if (row ~ /^#/ || row ~ /^ *$/)
			continue
		k = row
		sub(/ .*/, "", k)
		sub(/^[^ ]+ +/, "", row)
		if (k ~ /^</)
			outside[k] = row
		else
			may[k] = row
	}
	while ((getline row < "tests/style/long-functions") > 0)
		if (row !~ /^#/ && split(row, f, " ") == 2)
			allow[f[1]] = f[2] + 0
	words("strcpy strcat strncpy strncat sprintf vsprintf gets strtok atoi atol atoll strtol", banned)
	words("strtoul strtoll strtoull alloca system popen usleep sleep localtime gmtime", banned)
	words("ctime asctime rand srand tmpnam mktemp setjmp longjmp assert", banned)
	words("malloc calloc realloc reallocarray strdup strndup", allocators)
}

FNR == 1 {
	end_of_file()
	here = room(FILENAME)
	is_c = FILENAME ~ /\.[ch]$/
	open_at = in_comment = seen_out = has_spdx = 0
	if (is_c && $0 != "/* SPDX-License-Identifier: Apache-2.0 */")
		say("the first line must be the SPDX comment")
	if (is_c && here == "")
		say("this folder is not in tests/style/layers")
}
FNR == 2 && FILENAME ~ /\.h$/ && !/^\/\*/ { say("a header says on line 2 what it is for") }
FNR <= 3 && /SPDX-License-Identifier: Apache-2\.0/ { has_spdx = 1 }
FNR == 3 && !has_spdx && !is_c { say("no SPDX line among the first three") }
{
	previous = FILENAME
	lines = FNR
}
/[ \t]$/ { say("space at the end of the line") }
/\r/ { say("carriage return") }
length($0) > 100 && FILENAME !~ /\.awk$/ { say("over 100 columns") }
/(TODO|FIXME)/ || (/XXX/ && !/XXXXXX/) { say("open points live in CONFORMANCE or the tracker") }
!is_c { next }
/\t/ { say("tab") }
/^#include / { check_include($0) }
{
	line = code($0)
	check_calls(line)
}
line ~ /(struct|enum|union) +[A-Za-z0-9_]*_t([^A-Za-z0-9_]|$)/ { say("no _t names") }
line ~ /(struct|enum|union) +_/ { say("no leading underscore") }
line ~ /^typedef / && line !~ /_fn\(/ { say("typedef only for function types, named ..._fn") }
line ~ /^[A-Za-z_].*\(/ {
	name = line
	sub(/\(.*/, "", name)
	sub(/.*[ *]/, "", name)
}
/^\{/ { open_at = FNR }
open_at && /^ *# *(if|ifdef|ifndef|else|elif|endif)/ { say("no #if inside a function") }
open_at && /^[A-Za-z_][A-Za-z0-9_]*:/ {
	if ($0 ~ /^out:/)
		seen_out = 1
	else
		say("the only label is out:")
}
open_at && seen_out && line ~ /(^|[^A-Za-z0-9_])goto / { say("jumps go forward only") }
/^\}/ && open_at { end_of_function() }
END {
	end_of_file()
	exit bad > 0
}
