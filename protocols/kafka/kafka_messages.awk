# SPDX-License-Identifier: Apache-2.0
# Makes C of kafka_messages.tbl: -v part=h the structs, -v part=c the field descriptors. Any awk.

function fail(why) {
    printf "%s:%d: %s\n", FILENAME, FNR, why > "/dev/stderr"
    failed = 1
    exit 1
}

# "3+" or "0-7" or "2" into low and high.
function range(text, parts) {
    if (text ~ /^[0-9]+\+$/) {
        low = substr(text, 1, length(text) - 1)
        high = "KAFKA_VERSION_MAX"
    } else if (text ~ /^[0-9]+-[0-9]+$/) {
        split(text, parts, "-")
        low = parts[1]
        high = parts[2]
    } else if (text ~ /^[0-9]+$/) {
        low = text
        high = text
    } else
        fail("bad versions: " text)
}

function c_type(type) {
    if (type == "bool")
        return "bool "
    if (type ~ /^u?int(8|16|32|64)$/)
        return type "_t "
    if (type == "string" || type == "bytes")
        return "struct slice "
    if (type == "records")
        return "struct kafka_records "
    if (type == "uuid")
        return "struct kafka_uuid "
    fail("unknown type: " type)
}

# Closes structs until `depth` are open.
function close_to(depth, name) {
    while (open > depth) {
        name = names[open]
        if (part == "h") {
            printf "struct %s {\n%s};\n", name, members[open]
            printf "extern const struct kafka_type %s_type;\n\n", name
        } else {
            printf "static const struct kafka_field %s_fields[] = {\n%s};\n", name, members[open]
            printf "const struct kafka_type %s_type = {\n", name
            printf "    \"%s\", sizeof(struct %s), %d, %s_fields, %s,\n};\n\n", name, name,
                counts[open], name, defaults[open] ? "true" : "false"
        }
        if (open > 1 && defaults[open])
            defaults[open - 1] = 1
        open--
    }
}

function open_struct(name) {
    open++
    names[open] = name
    members[open] = ""
    counts[open] = 0
    defaults[open] = 0
}

function default_text(value) {
    if (value == "" || value == "null")
        return "0"
    if (value == "-9223372036854775808")
        return "INT64_MIN"
    return "INT64_C(" value ")"
}

function add_field(name, type, versions, nulls, tag, value, child, is_array, base, text) {
    is_array = type ~ /^\[\]/
    base = is_array ? substr(type, 3) : type
    if ((base == "struct") != (child != ""))
        fail("a struct, and nothing else, needs as=")
    counts[open]++
    if (part == "h") {
        text = base == "struct" ? "struct " child " " : c_type(base)
        members[open] = members[open] "    " text (is_array ? "*" : "") name ";\n"
        if (is_array)
            members[open] = members[open] "    uint32_t " name "_count;\n"
    } else {
        range(versions)
        text = "    { \"" name "\", KAFKA_" toupper(base) ", " (is_array ? "true" : "false")
        text = text ", " low ", " high
        if (nulls == "")
            text = text ", 1, 0"
        else {
            range(nulls)
            text = text ", " low ", " high
        }
        text = text ", " (tag == "" ? "-1" : tag)
        text = text ", offsetof(struct " names[open] ", " name ")"
        text = text ", " (is_array ? "offsetof(struct " names[open] ", " name "_count)" : "0")
        text = text ", " (child == "" ? "NULL" : "&" child "_type")
        members[open] = members[open] text ", " default_text(value) " },\n"
        if (default_text(value) != "0")
            defaults[open] = 1
    }
    if (child != "")
        open_struct(child)
}

BEGIN {
    if (part == "h") {
        print "/* SPDX-License-Identifier: Apache-2.0 */"
        print "/* Structs of all Kafka messages. Made from kafka_messages.tbl: do not edit. */"
        print "#ifndef TERCET_PROTOCOLS_KAFKA_KAFKA_MESSAGES_H"
        print "#define TERCET_PROTOCOLS_KAFKA_KAFKA_MESSAGES_H\n"
        print "#include \"protocols/kafka/kafka_codec.h\"\n"
    } else {
        print "/* SPDX-License-Identifier: Apache-2.0 */"
        print "/* Field descriptors. Made from kafka_messages.tbl: do not edit. */"
        print "#include \"protocols/kafka/kafka_messages.h\"\n"
        print "#include <stddef.h>\n"
    }
}

/^#/ || /^[ \t]*$/ { next }

$1 == "api" {
    close_to(0)
    api = $3
    range($4)
    sub(/^flexible=/, "", $5)
    apis = apis sprintf("    { %d, \"%s\", %d, %d, %d, &kafka_%s_request_type, &kafka_%s_response_type },\n",
        $2, api, low, high, $5, api, api)
    keys = keys sprintf("    KAFKA_%s = %d,\n", toupper(api), $2)
    next
}

$1 == "request" || $1 == "response" {
    close_to(0)
    open_struct("kafka_" api "_" $1)
    next
}

{
    match($0, /^ */)
    if (RLENGTH % 2 != 0 || RLENGTH / 2 > open || RLENGTH == 0)
        fail("bad indent")
    close_to(RLENGTH / 2)
    nulls = ""
    tag = ""
    value = ""
    child = ""
    for (i = 4; i <= NF; i++) {
        if ($i ~ /^null=/)
            nulls = substr($i, 6)
        else if ($i ~ /^tag=/)
            tag = substr($i, 5)
        else if ($i ~ /^default=/)
            value = substr($i, 9)
        else if ($i ~ /^as=/)
            child = substr($i, 4)
        else
            fail("unknown word: " $i)
    }
    add_field($1, $2, $3, nulls, tag, value, child)
}

END {
    if (failed)
        exit 1
    close_to(0)
    if (part == "h")
        printf "enum kafka_api_key {\n%s};\n\n#endif\n", keys
    else {
        printf "const struct kafka_message kafka_messages[] = {\n%s};\n", apis
        print "const unsigned kafka_message_count = sizeof(kafka_messages) / sizeof(kafka_messages[0]);"
    }
}
