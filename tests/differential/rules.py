# SPDX-License-Identifier: Apache-2.0
"""How the two brokers' sights of a step are compared, and where they may differ."""

from collections import Counter

import mqtt_raw as m
from player import CLOSED


def merged(seen):
    """One message where overlapping subscriptions brought copies (3.3.4: one copy, or one each)."""
    first, out = {}, []
    for one in seen:
        if one[0] != "PUBLISH":
            is_twice = one[0] == "PUBREL" and one in out
            if not is_twice and one[:2] != ("OLD", "PUBLISH"):
                out.append(one)
            continue
        key = one[1:3]
        if key not in first:
            first[key] = len(out)
            out.append((*one[:7], tuple(sorted(set(one[7])))))
        else:
            was = out[first[key]]
            out[first[key]] = (*was[:3], max(was[3], one[3]), was[4] or one[4], was[5] or one[5],
                               was[6], tuple(sorted(set(was[7]) | set(one[7]))))
    return out


def order(seen):
    """What must keep its order: each publisher's messages of one topic and QoS (4.6.0-6)."""
    lines = {}
    for one in seen:
        if one[0] == "PUBLISH":
            lines.setdefault((one[1], one[2].split(b".")[0], one[3]), []).append(one[2])
    return lines


class Difference:
    """What one slot saw otherwise in one step."""

    def __init__(self, script, step, slot, ours, theirs):
        self.script, self.step, self.slot = script, step, slot
        self.version = script["versions"][slot]
        self.only_ours = list((Counter(ours) - Counter(theirs)).elements())
        self.only_theirs = list((Counter(theirs) - Counter(ours)).elements())
        self.all_ours, self.all_theirs = ours, theirs

    def __str__(self):
        lines = ["slot %d (version %d): %s" % (self.slot, self.version, self.step)]
        lines += ["  only tercet:    %s" % (one,) for one in self.only_ours]
        lines += ["  only mosquitto: %s" % (one,) for one in self.only_theirs]
        if not self.only_ours and not self.only_theirs:
            lines += ["  tercet's order:    %s" % order(self.all_ours),
                      "  mosquitto's order: %s" % order(self.all_theirs)]
        return "\n".join(lines)


def compare(script, step, ours, theirs):
    """The slots' differences in this step."""
    found = []
    ours, theirs = pooled(ours), pooled(theirs)
    for slot, (one, other) in enumerate(zip(ours, theirs)):
        one, other = merged(one), merged(other)
        if has_window(script, slot):
            one, other = without_qos_0(one), without_qos_0(other)
        if Counter(one) != Counter(other) or order(one) != order(other):
            found.append(Difference(script, step, slot, one, other))
    return found


def has_window(script, slot):
    return any(step[0] == "connect" and step[1] == slot and
               dict(step[2]["props"]).get(m.RECEIVE_MAX) for step in script["steps"])


def without_qos_0(seen):
    """4.9: QoS 0 may wait with the others or go ahead of them when the quota is used up."""
    return [one for one in seen if one[0] != "PUBLISH" or one[3] > 0]


def pooled(sides):
    """Which member of a group gets a message is the broker's choice: all are given to the first."""
    out = [[one for one in seen if not is_shared(one)] for seen in sides]
    out[0] = out[0] + [one for seen in sides for one in seen if is_shared(one)]
    return out


def is_shared(one):
    return one[0] == "PUBLISH" and one[1].startswith("s/") or (
        one[0] == "PUBREL" and isinstance(one[1], tuple) and one[1][0].startswith("s/"))


class Rule:
    """A difference that may be. `clause`: what the standard says; `why`: what mosquitto 2.0.11
    does, or tercet where that is named. `ends`: the two are in other states from there
    on, so the script ends."""

    def __init__(self, name, clause, why, fits, ends=False):
        self.name, self.clause, self.why, self.fits, self.ends = name, clause, why, fits, ends


def only(ours=None, theirs=None):
    """All that only one side saw is of this kind; None: there must not be any."""
    def fits(difference):
        for seen, kind in ((difference.only_ours, ours), (difference.only_theirs, theirs)):
            if seen and (kind is None or not all(kind(one) for one in seen)):
                return False
        return bool(difference.only_ours or difference.only_theirs)
    return fits


def only_wills(difference):
    """Wills with a delay that mosquitto forgets."""
    delayed = {step[2]["will"]["payload"] for step in difference.script["steps"]
               if "will" in step[2] and dict(step[2]["will"].get("props", ())).get(m.WILL_DELAY)}
    return only(ours=lambda one: one[0] == "PUBLISH" and one[2] in delayed or
                one[0] == "PUBREL" and one[1][1] in delayed)(difference)


# By the type of the packet that is wrong: the code that ours gives, and theirs (None: no
# DISCONNECT). The profile has the codes of mosquitto's own wire sequences, which are
# younger than 2.0.11.
FAULT_CODES = {
    m.CONNECT: {(0x82, None)}, m.CONNACK: {(0x82, None)}, m.PUBREL: {(0x82, None)},
    m.UNSUBACK: {(0x82, None)}, m.DISCONNECT: {(0x82, None)},
    m.PUBACK: {(0x81, None)},
    m.SUBSCRIBE: {(0x8f, 0x81)}, m.UNSUBSCRIBE: {(0x8f, 0x81)},  # an invalid filter: 4.7.1-1, -2
    m.PUBLISH: {(0x81, 0x82), (0x94, 0x81), (0x82, 0x81), (0x82, None)},
}


def other_code(difference):
    is_word = [lambda one: one[0] == "DISCONNECT"] * 2
    if difference.step[0] != "bad" or not only(*is_word)(difference):
        return False
    codes = tuple(seen[0][2] if seen else None
                  for seen in (difference.only_ours, difference.only_theirs))
    return codes in FAULT_CODES.get(difference.step[2]["bytes"][0] >> 4, ())


def is_will(one):
    return one[0] in ("PUBLISH", "PUBREL")


def is_end(one):
    return one == CLOSED or one in [("DISCONNECT", None, code, ()) for code in (0x81, 0x82)]


def taken_fault(*first):
    """mosquitto goes on where ours ends the connection, after a packet that begins so. What ours
    publishes is the will then, and what mosquitto does the packet itself."""
    def fits(difference):
        if difference.step[0] != "bad" or difference.step[2]["bytes"][0] not in first:
            return False
        ends = [one for one in difference.only_ours if is_end(one)]
        is_other = difference.slot != difference.step[1]
        return bool(ends) != is_other and only(
            ours=lambda one: is_will(one) or is_end(one),
            theirs=lambda one: one[0] == "PUBLISH" and first == (0x38,) and one[3] == 0)(difference)
    return fits


def bad_share(difference):
    return difference.step[0] == "bad" and b"$share" in difference.step[2]["bytes"] and only(
        *[lambda one: one[0] == "SUBACK" and one[1] == 4] * 2)(difference)


def twice_in_one(difference):
    """Retained messages of a filter that one SUBSCRIBE has twice: ours once, as granted last."""
    if difference.step[0] != "subscribe":
        return False
    filters = [name for name, _ in difference.step[2]["filters"]]
    if len(set(filters)) == len(filters):
        return False
    ours = {one[1:3]: one for one in difference.all_ours if one[0] == "PUBLISH"}
    theirs = {one[1:3]: one for one in difference.only_theirs if one[0] == "PUBLISH"}
    return bool(theirs) and only(
        ours=lambda one: one[0] == "PUBREL" or one[0] == "PUBLISH" and one[1:3] in theirs,
        theirs=lambda one: one[0] == "PUBREL" or one[4] and (
            has_window(difference.script, difference.slot) or
            one[1:3] in ours and one[3] != ours[one[1:3]][3]))(difference)


RULES = (
    Rule("delayed-will", "3.1.2-8", "forgets a delayed will where the session ends first",
         only_wills, ends=True),
    Rule("second-connect", "3.1.0-2", "takes parts of a second CONNECT before it closes: the "
         "session and its will go", lambda difference: difference.step[0] == "bad" and
         difference.step[2]["bytes"][0] == 0x10 and only(ours=lambda one: one[0] == "PUBLISH")
         (difference), ends=True),
    Rule("fault-code", "4.13.1-1", "has other codes for the same fault", other_code),
    Rule("duplicate-qos-0", "3.3.1-2", "takes DUP with QoS 0", taken_fault(0x38), ends=True),
    Rule("ping", "2.1.3-1", "takes PINGREQ with flags, and PINGRESP from a client",
         taken_fault(0xc1, 0xd0), ends=True),
    Rule("share-name", "4.8.2-1, -2", "takes $share without a name or without a filter", bad_share,
         ends=True),
    # 3.8.4-5 makes it two SUBSCRIBEs, and the second replaces the first (3.8.4-3) before the
    # broker sends what is retained, which goes behind SUBACK: as with two packets that come
    # together. What comes once then comes as the client asked last; a walk of its own for each
    # time that a filter is named would let one packet ask for all retained messages thousands of
    # times.
    Rule("twice-in-one", "3.8.4-3, -5", "sends what is retained for each time that one SUBSCRIBE "
         "names a filter, tercet once, as granted last", twice_in_one, ends=True),
    Rule("takeover-word", "3.1.4-3", "closes a connection that is taken over without DISCONNECT",
         only(ours=lambda one: one == ("OLD", "DISCONNECT", 0x8e))),
    Rule("share-retained", "4.8.2", "sends retained messages to a new shared subscription",
         only(theirs=lambda one: is_shared(one) and one[4])),
)


def rules_of(difference):
    """The rules that explain a difference, or None when it is not explained."""
    for rule in RULES:
        if rule.fits(difference):
            return [rule]
    return None
