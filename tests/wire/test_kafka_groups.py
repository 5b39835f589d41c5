# SPDX-License-Identifier: Apache-2.0
"""The classic group protocol and the offsets that groups keep."""

import time
import unittest

from kafka_case import OK, KafkaCase
from tercet import SCALE, wait_for

JOIN, SYNC, HEARTBEAT, LEAVE, COMMIT, OFFSETS = 7, 5, 4, 5, 8, 7
REBALANCE, UNKNOWN_MEMBER, ILLEGAL_GENERATION, FENCED = 27, 25, 22, 82


class Member:
    """One member on a connection of its own."""

    def __init__(self, case, group, instance=None, protocols=(("range", b"mine"),),
                 kind="consumer", timeout=30000, version=JOIN):
        self.case, self.group, self.instance, self.kind = case, group, instance, kind
        self.protocols, self.timeout, self.version = protocols, timeout, version
        self.connection = case.connect(b"client")
        self.id, self.generation, self.answer = "", -1, None

    def values(self):
        return {"group_id": self.group, "session_timeout_ms": self.timeout,
                "rebalance_timeout_ms": self.timeout, "member_id": self.id,
                "group_instance_id": self.instance, "protocol_type": self.kind,
                "protocols": [{"name": n, "metadata": m} for n, m in self.protocols]}

    def send_join(self):
        self.connection.send("join_group", self.version, **{
            k: v for k, v in self.values().items()
            if k != "group_instance_id" or self.version >= 5})

    def receive_join(self):
        self.answer = self.connection.receive("join_group", self.version)
        if self.answer["error_code"] in (OK, 79):
            self.id = self.answer["member_id"]
            self.generation = self.answer["generation_id"]
        return self.answer["error_code"]

    def join(self):
        """With an id first, as KIP-394 asks of new members."""
        self.send_join()
        code = self.receive_join()
        if code == 79:
            self.send_join()
            code = self.receive_join()
        return code

    def is_leader(self):
        return self.answer["leader"] == self.id

    def member(self):
        return {"group_id": self.group, "generation_id": self.generation, "member_id": self.id,
                "group_instance_id": self.instance}

    def send_sync(self, **assignments):
        self.connection.send("sync_group", SYNC, **self.member(), assignments=[
            {"member_id": m, "assignment": a} for m, a in assignments.items()])

    def receive_sync(self):
        answer = self.connection.receive("sync_group", SYNC)
        return answer["error_code"], answer["assignment"]

    def sync(self, **assignments):
        self.send_sync(**assignments)
        return self.receive_sync()

    def beat(self):
        return self.connection.call("heartbeat", HEARTBEAT, **self.member())["error_code"]

    def leave(self):
        answer = self.connection.call("leave_group", LEAVE, group_id=self.group, members=[
            {"member_id": self.id, "group_instance_id": self.instance}])
        return answer["members"][0]["error_code"]


class GroupCase(KafkaCase):
    def group_of(self, count, **options):
        """Members of one stable generation, the leader first."""
        group = self.name("group")
        members = [Member(self, group, **options) for _ in range(count)]
        self.assertEqual(members[0].join(), OK)
        for at, member in enumerate(members[1:], 1):
            member.send_join()
            if member.receive_join() == 79:
                member.send_join()
            for other in members[:at]:
                wait_for(lambda m=other: m.beat() == REBALANCE)
                other.send_join()
            for other in members[:at + 1]:
                self.assertEqual(other.receive_join(), OK)
        self.assign(members)
        return members

    def assign(self, members):
        leader = next(m for m in members if m.is_leader())
        for member in members:
            if member is not leader:
                member.send_sync()
        leader.send_sync(**{m.id: b"for " + m.id.encode() for m in members})
        for member in members:
            self.assertEqual(member.receive_sync(), (OK, b"for " + member.id.encode()))

    def describe(self, group, version=5):
        return self.connect().call("describe_groups", version, groups=[group])["groups"][0]


class Joining(GroupCase):
    def test_a_new_member_is_given_an_id_first(self):
        member = Member(self, self.name("group"))
        member.send_join()
        self.assertEqual(member.receive_join(), 79)
        self.assertTrue(member.id.startswith("client-"))
        member.send_join()
        self.assertEqual(member.receive_join(), OK)
        self.assertEqual((member.generation, member.answer["protocol_name"],
                          member.answer["protocol_type"]), (1, "range", "consumer"))
        self.assertEqual(member.answer["members"], [
            {"member_id": member.id, "group_instance_id": None, "metadata": b"mine"}])

    def test_older_clients_join_at_once(self):
        for version in range(4):
            member = Member(self, self.name("group"), version=version)
            member.send_join()
            self.assertEqual(member.receive_join(), OK, version)

    def test_the_first_member_does_not_wait(self):
        began = time.monotonic()
        self.group_of(1)
        self.assertLess(time.monotonic() - began, 1 * SCALE)

    def test_members_get_what_the_leader_assigns(self):
        members = self.group_of(3)
        self.assertEqual([m.is_leader() for m in members], [True, False, False])
        self.assertEqual(len(members[0].answer["members"]), 3)
        self.assertEqual(members[1].answer["members"], [])
        self.assertEqual({m.generation for m in members}, {3})
        self.assertEqual([m.beat() for m in members], [OK] * 3)

    def test_the_protocol_that_most_would_choose_wins(self):
        group = self.name("group")
        first = Member(self, group, protocols=(("a", b""), ("b", b""), ("x", b"")))
        self.assertEqual(first.join(), OK)
        self.assertEqual(first.answer["protocol_name"], "a")
        others = [Member(self, group, protocols=(("b", b""), ("a", b""))) for _ in range(2)]
        for other in others:
            other.send_join()
            self.assertEqual(other.receive_join(), 79)
            other.send_join()
        wait_for(lambda: first.beat() == REBALANCE)
        first.send_join()
        for member in [first] + others:
            self.assertEqual(member.receive_join(), OK)
            self.assertEqual(member.answer["protocol_name"], "b")

    def test_without_a_common_protocol_nobody_joins(self):
        group = self.group_of(1)[0].group
        for options in ({"protocols": (("sticky", b""),)}, {"kind": "connect"},
                        {"protocols": ()}, {"kind": ""}):
            self.assertEqual(Member(self, group, **options).join(), 23, options)

    def test_any_kind_of_group_is_fine_and_its_bytes_are_opaque(self):
        junk = bytes(range(256))
        member = Member(self, self.name("group"), kind="sr", protocols=(("v0", junk),))
        self.assertEqual(member.join(), OK)
        self.assertEqual(member.answer["members"][0]["metadata"], junk)
        self.assertEqual(member.sync(**{member.id: junk}), (OK, junk))

    def test_what_cannot_join(self):
        self.assertEqual(Member(self, "").join(), 24)
        self.assertEqual(Member(self, self.name("group"), timeout=5999).join(), 26)
        self.assertEqual(Member(self, self.name("group"), timeout=1800001).join(), 26)
        for group in (self.name("group"), self.group_of(1)[0].group):
            member = Member(self, group)
            member.id = "made-up"
            self.assertEqual(member.join(), UNKNOWN_MEMBER)

    def test_a_follower_that_asks_again_changes_nothing(self):
        leader, follower = self.group_of(2)
        follower.send_join()
        self.assertEqual(follower.receive_join(), OK)
        self.assertEqual((follower.generation, leader.beat()), (2, OK))
        self.assertEqual(follower.sync(), (OK, b"for " + follower.id.encode()))

    def test_a_leader_that_asks_again_begins_a_generation(self):
        leader, follower = self.group_of(2)
        leader.send_join()
        wait_for(lambda: follower.beat() == REBALANCE)
        follower.send_join()
        self.assertEqual((leader.receive_join(), follower.receive_join()), (OK, OK))
        self.assertEqual((leader.generation, follower.generation), (3, 3))

    def test_a_follower_that_says_something_else_begins_a_generation(self):
        leader, follower = self.group_of(2)
        follower.protocols = (("range", b"other"),)
        follower.send_join()
        wait_for(lambda: leader.beat() == REBALANCE)
        leader.send_join()
        self.assertEqual((leader.receive_join(), follower.receive_join()), (OK, OK))
        self.assertIn(b"other", [m["metadata"] for m in leader.answer["members"]])

    def test_syncing_is_cut_off_by_a_new_rebalance(self):
        group = self.name("group")
        leader, follower = Member(self, group), Member(self, group)
        self.assertEqual(leader.join(), OK)
        follower.send_join()
        self.assertEqual(follower.receive_join(), 79)
        follower.send_join()
        wait_for(lambda: leader.beat() == REBALANCE)
        leader.send_join()
        self.assertEqual((leader.receive_join(), follower.receive_join()), (OK, OK))
        follower.send_sync()
        third = Member(self, group)
        third.send_join()
        self.assertEqual(third.receive_join(), 79)
        third.send_join()
        self.assertEqual(follower.receive_sync(), (REBALANCE, b""))
        self.assertEqual(leader.sync(), (REBALANCE, b""))

    def test_who_asks_with_an_old_generation_is_told(self):
        member = self.group_of(1)[0]
        member.generation += 1
        self.assertEqual(member.beat(), ILLEGAL_GENERATION)
        self.assertEqual(member.sync()[0], ILLEGAL_GENERATION)
        member.id = "somebody-else"
        self.assertEqual(member.beat(), UNKNOWN_MEMBER)
        self.assertEqual(member.sync()[0], UNKNOWN_MEMBER)

    def test_a_sync_that_names_another_protocol_is_refused(self):
        member = self.group_of(1)[0]
        for extra in ({"protocol_name": "sticky"}, {"protocol_type": "connect"}):
            answer = member.connection.call("sync_group", SYNC, **member.member(), **extra)
            self.assertEqual(answer["error_code"], 23)


class Leaving(GroupCase):
    def test_who_leaves_makes_room_at_once(self):
        leader, follower = self.group_of(2)
        self.assertEqual(follower.leave(), OK)
        self.assertEqual(leader.beat(), REBALANCE)
        leader.send_join()
        self.assertEqual(leader.receive_join(), OK)
        self.assertEqual(len(leader.answer["members"]), 1)
        self.assertEqual(follower.leave(), UNKNOWN_MEMBER)

    def test_a_leader_that_leaves_is_followed_by_another(self):
        leader, follower = self.group_of(2)
        self.assertEqual(leader.leave(), OK)
        follower.send_join()
        self.assertEqual(follower.receive_join(), OK)
        self.assertTrue(follower.is_leader())

    def test_the_last_one_leaves_nothing(self):
        member = self.group_of(1)[0]
        self.assertEqual(member.leave(), OK)
        self.assertEqual(self.describe(member.group)["group_state"], "Dead")
        self.assertEqual(member.beat(), UNKNOWN_MEMBER)

    def test_older_clients_leave_one_by_one(self):
        member = self.group_of(1)[0]
        for code in (OK, UNKNOWN_MEMBER):
            answer = member.connection.call("leave_group", 1, group_id=member.group,
                                            member_id=member.id)
            self.assertEqual(answer["error_code"], code)

    def test_who_is_not_heard_of_is_gone(self):
        members = self.group_of(2, timeout=6000)
        leader, follower = members
        deadline = time.monotonic() + 20 * SCALE
        while leader.beat() == OK:
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.2)
        leader.send_join()
        self.assertEqual(leader.receive_join(), OK)
        self.assertEqual(len(leader.answer["members"]), 1)
        self.assertEqual(follower.beat(), UNKNOWN_MEMBER)

    def test_who_goes_away_while_joining_does_not_hold_up_the_group(self):
        leader = self.group_of(1, timeout=6000)[0]
        lost = Member(self, leader.group, timeout=6000)
        lost.send_join()
        self.assertEqual(lost.receive_join(), 79)
        lost.send_join()
        wait_for(lambda: leader.beat() == REBALANCE)
        lost.connection.close()
        leader.send_join()
        self.assertEqual(leader.receive_join(), OK)
        self.assertEqual(leader.sync(**{leader.id: b"x"}), (OK, b"x"))


class StaticMembers(GroupCase):
    def test_who_comes_back_takes_its_place_and_nobody_notices(self):
        leader, follower = self.static()
        back = Member(self, leader.group, instance="two")
        self.assertEqual(back.join(), OK)
        self.assertNotEqual(back.id, follower.id)
        self.assertEqual((back.generation, leader.beat()), (leader.generation, OK))
        self.assertEqual(back.sync()[1], b"for " + follower.id.encode())
        self.assertEqual(follower.beat(), FENCED)
        self.assertEqual(follower.sync()[0], FENCED)

    def static(self):
        group = self.name("group")
        members = [Member(self, group, instance=name) for name in ("one", "two")]
        self.assertEqual(members[0].join(), OK)
        members[1].send_join()
        wait_for(lambda: members[0].beat() == REBALANCE)
        members[0].send_join()
        for member in members:
            self.assertEqual(member.receive_join(), OK)
        self.assign(members)
        return members

    def test_a_leader_that_comes_back_is_told_to_keep_the_assignment(self):
        leader, follower = self.static()
        back = Member(self, leader.group, instance="one", version=9)
        self.assertEqual(back.join(), OK)
        self.assertEqual((back.answer["leader"], back.answer["skip_assignment"]),
                         (back.id, True))
        self.assertEqual(follower.beat(), OK)

    def test_who_comes_back_with_other_wishes_begins_a_generation(self):
        leader = self.static()[0]
        back = Member(self, leader.group, instance="two", protocols=(("range", b"other"),))
        back.send_join()
        wait_for(lambda: leader.beat() == REBALANCE)
        leader.send_join()
        self.assertEqual((leader.receive_join(), back.receive_join()), (OK, OK))

    def test_an_instance_is_removed_by_its_name(self):
        leader, follower = self.static()
        answer = self.connect().call("leave_group", LEAVE, group_id=leader.group, members=[
            {"member_id": "", "group_instance_id": "two"},
            {"member_id": "", "group_instance_id": "three"}])
        self.assertEqual([m["error_code"] for m in answer["members"]], [OK, UNKNOWN_MEMBER])
        self.assertEqual(leader.beat(), REBALANCE)
        self.assertEqual(follower.beat(), UNKNOWN_MEMBER)


class Looking(GroupCase):
    def test_a_group_is_described(self):
        members = self.group_of(2)
        got = self.describe(members[0].group)
        self.assertEqual((got["group_state"], got["protocol_type"], got["protocol_data"]),
                         ("Stable", "consumer", "range"))
        self.assertEqual(
            [(m["member_id"], m["client_id"], m["member_metadata"], m["member_assignment"])
             for m in got["members"]],
            [(m.id, "client", b"mine", b"for " + m.id.encode()) for m in members])

    def test_of_a_group_that_is_not_stable_no_metadata_is_told(self):
        member = Member(self, self.name("group"))
        self.assertEqual(member.join(), OK)  # nothing is assigned yet
        got = self.describe(member.group)
        self.assertEqual(got["group_state"], "CompletingRebalance")
        self.assertEqual([(m["member_id"], m["member_metadata"], m["member_assignment"])
                          for m in got["members"]], [(member.id, b"", b"")])

    def test_a_group_that_is_not_there(self):
        self.assertEqual(self.describe("nobody")["group_state"], "Dead")
        self.assertEqual(self.describe("nobody", version=6)["error_code"], 69)

    def test_groups_are_listed_and_filtered(self):
        stable, topic, simple = self.group_of(1)[0].group, self.topic(), self.name("group")
        self.connect().call("offset_commit", COMMIT, group_id=simple, topics=[{
            "name": topic, "partitions": [{"partition_index": 0, "committed_offset": 0}]}])

        def listed(**filters):
            got = self.connect().call("list_groups", 5, **filters)["groups"]
            return {g["group_id"]: g["group_state"] for g in got}

        everything = listed()
        self.assertEqual((everything[stable], everything[simple]), ("Stable", "Empty"))
        self.assertNotIn(simple, listed(states_filter=["Stable"]))
        self.assertIn(simple, listed(states_filter=["empty"], types_filter=["Classic"]))
        self.assertEqual(listed(types_filter=["consumer"]), {})

    def test_a_group_is_deleted_when_nobody_is_in_it(self):
        member, topic = self.group_of(1)[0], self.topic()

        def delete():
            answer = self.connect().call("delete_groups", 2, group_names=[member.group])
            return answer["results"][0]["error_code"]

        self.connect().call("offset_commit", COMMIT, group_id=member.group, topics=[{
            "name": topic, "partitions": [{"partition_index": 0, "committed_offset": 5}]}],
            member_id=member.id, generation_id_or_member_epoch=member.generation)
        self.assertEqual(delete(), 68)
        self.assertEqual(member.leave(), OK)
        self.assertEqual(delete(), OK)
        self.assertEqual(delete(), 69)


class Offsets(GroupCase):
    def commit(self, group, topic, offset, partition=0, metadata=None, version=COMMIT, **more):
        answer = self.connect().call("offset_commit", version, group_id=group, topics=[{
            "name": topic, "partitions": [{
                "partition_index": partition, "committed_offset": offset,
                "committed_leader_epoch": 0, "committed_metadata": metadata}]}], **more)
        return answer["topics"][0]["partitions"][0]["error_code"]

    def fetch_offset(self, group, topic, partition=0):
        answer = self.connect().call("offset_fetch", OFFSETS, group_id=group, topics=[{
            "name": topic, "partition_indexes": [partition]}])
        got = answer["topics"][0]["partitions"][0]
        return got["committed_offset"], got["metadata"], got["error_code"]

    def test_what_is_committed_is_fetched(self):
        group, topic = self.name("group"), self.topic(partitions=2)
        self.assertEqual(self.fetch_offset(group, topic), (-1, "", OK))
        self.assertEqual(self.commit(group, topic, 42, metadata="état"), OK)
        self.assertEqual(self.fetch_offset(group, topic), (42, "état", OK))
        self.assertEqual(self.commit(group, topic, 7), OK)
        self.assertEqual(self.fetch_offset(group, topic), (7, "", OK))
        self.assertEqual(self.fetch_offset(group, topic, partition=1), (-1, "", OK))

    def test_many_groups_and_all_topics_at_once(self):
        groups, topics = [self.name("group") for _ in range(2)], [self.topic(3) for _ in range(2)]
        for group in groups:
            for topic in topics:
                for partition in range(3):
                    self.commit(group, topic, partition + 10, partition)
        answer = self.connect().call("offset_fetch", 9, groups=[
            {"group_id": groups[0], "topics": None},
            {"group_id": groups[1], "topics": [
                {"name": topics[1], "partition_indexes": [2, 9]}]},
            {"group_id": "nobody", "topics": None}])
        got = {g["group_id"]: {t["name"]: {p["partition_index"]: p["committed_offset"]
                                           for p in t["partitions"]} for t in g["topics"]}
               for g in answer["groups"]}
        self.assertEqual(got, {
            groups[0]: {topic: {0: 10, 1: 11, 2: 12} for topic in topics},
            groups[1]: {topics[1]: {2: 12, 9: -1}}, "nobody": {}})

    def test_topics_by_id(self):
        group, topic = self.name("group"), self.topic()
        answer = self.connect().call("offset_commit", 10, group_id=group, topics=[
            {"topic_id": self.topic_id(topic), "partitions": [
                {"partition_index": 0, "committed_offset": 3}]},
            {"topic_id": b"?" * 16, "partitions": [
                {"partition_index": 0, "committed_offset": 3}]}])
        self.assertEqual([t["partitions"][0]["error_code"] for t in answer["topics"]], [OK, 100])
        answer = self.connect().call("offset_fetch", 10, groups=[{"group_id": group, "topics": [
            {"topic_id": self.topic_id(topic), "partition_indexes": [0]}]}])
        got = answer["groups"][0]["topics"][0]
        self.assertEqual(got["topic_id"], self.topic_id(topic))
        self.assertEqual(got["partitions"][0]["committed_offset"], 3)

    def test_what_cannot_be_committed(self):
        group, topic = self.name("group"), self.topic()
        self.assertEqual(self.commit(group, "nobody-made-it", 1), 3)
        self.assertEqual(self.commit(group, topic, 1, partition=1), 3)
        self.assertEqual(self.commit(group, topic, 1, metadata="x" * 4097), 12)
        self.assertEqual(self.commit(group, topic, 1, metadata="x" * 4096), OK)
        self.assertEqual(self.commit("", topic, 1), 24)
        self.assertEqual(self.commit("g" * 201, topic, 1), 24)

    def test_members_commit_in_their_generation_alone(self):
        member, topic = self.group_of(1)[0], self.topic()
        who = {"member_id": member.id, "generation_id_or_member_epoch": member.generation}
        self.assertEqual(self.commit(member.group, topic, 1, **who), OK)
        self.assertEqual(self.commit(member.group, topic, 2), UNKNOWN_MEMBER)
        self.assertEqual(self.commit(member.group, topic, 2, **dict(who, member_id="other")),
                         UNKNOWN_MEMBER)
        self.assertEqual(self.commit(member.group, topic, 2, **dict(
            who, generation_id_or_member_epoch=9)), ILLEGAL_GENERATION)
        gone = {"member_id": "m", "generation_id_or_member_epoch": 1}
        self.assertEqual(self.commit("nobody", topic, 2, **gone), ILLEGAL_GENERATION)
        self.assertEqual(self.commit("nobody", topic, 2, version=9, **gone), 69)
        self.assertEqual(self.fetch_offset(member.group, topic)[0], 1)

    def test_a_commit_while_assignments_are_made_waits_for_them(self):
        group, topic = self.name("group"), self.topic()
        member = Member(self, group)
        self.assertEqual(member.join(), OK)
        who = {"member_id": member.id, "generation_id_or_member_epoch": member.generation}
        self.assertEqual(self.commit(group, topic, 1, **who), REBALANCE)
        self.assertEqual(member.sync(**{member.id: b""})[0], OK)
        self.assertEqual(self.commit(group, topic, 1, **who), OK)

    def test_offsets_are_deleted(self):
        group, topic = self.name("group"), self.topic()
        self.commit(group, topic, 5)
        answer = self.connect().call("offset_delete", 0, group_id=group, topics=[{
            "name": topic, "partitions": [{"partition_index": 0}]}])
        self.assertEqual(answer["topics"][0]["partitions"][0]["error_code"], OK)
        self.assertEqual(self.fetch_offset(group, topic)[0], -1)

    def test_offsets_go_with_their_topic(self):
        group, topic = self.name("group"), self.topic()
        self.commit(group, topic, 5)
        self.connect().call("delete_topics", 5, topic_names=[topic], timeout_ms=1000)
        self.connect().call("create_topics", 7, topics=[{
            "name": topic, "num_partitions": 1, "replication_factor": 1}], timeout_ms=1000)
        self.assertEqual(self.fetch_offset(group, topic)[0], -1)


class Coordinator(KafkaCase):
    def test_it_is_this_broker_in_every_form(self):
        host, port = self.broker.address("kafka")
        answer = self.connect().call("find_coordinator", 2, key="g", key_type=0)
        self.assertEqual((answer["error_code"], answer["host"], answer["port"]), (OK, host, port))
        answer = self.connect().call("find_coordinator", 4, key_type=0,
                                     coordinator_keys=["a", "b"])
        self.assertEqual([(c["key"], c["error_code"], c["host"], c["port"])
                          for c in answer["coordinators"]],
                         [("a", OK, host, port), ("b", OK, host, port)])

    def test_there_are_no_others(self):
        answer = self.connect().call("find_coordinator", 6, key_type=2, coordinator_keys=["a"])
        self.assertEqual(answer["coordinators"][0]["error_code"], 42)
        self.assertIn("not supported", answer["coordinators"][0]["error_message"])


if __name__ == "__main__":
    unittest.main()
