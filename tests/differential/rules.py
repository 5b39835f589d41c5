# SPDX-License-Identifier: Apache-2.0
"""How the two brokers' sights of a step are compared, and where they may differ."""

from collections import Counter

import mqtt_raw as m


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


def only_will_of_leaver(difference):
    word, slot, args = difference.step
    return word == "leave" and args["reason"] not in (None, 0, 4) and only(
        ours=lambda one: one[0] in ("PUBLISH", "PUBREL"))(difference)


def other_code(difference):
    return difference.step[0] in ("bad", "publish", "leave") and only(
        *[lambda one: one[0] == "DISCONNECT"] * 2)(difference)


RULES = (
    Rule("delayed-will", "3.1.2-8", "forgets a delayed will where the session ends first",
         only_wills, ends=True),
    Rule("leaver-will", "3.14.4-3", "forgets the will at a DISCONNECT with any code but 0x04",
         only_will_of_leaver, ends=True),
    Rule("second-connect", "3.1.0-2", "takes parts of a second CONNECT before it closes: the "
         "session and its will go", lambda difference: difference.step[0] == "bad" and
         difference.step[2]["bytes"][0] == 0x10 and only(ours=lambda one: one[0] == "PUBLISH")
         (difference), ends=True),
    Rule("fault-code", "4.13.1-1", "has other codes for the same fault", other_code),
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
