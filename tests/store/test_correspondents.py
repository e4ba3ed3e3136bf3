"""When a contact was last contacted, whose address bounces, and who is unknown."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import timedelta

import pytest

from mailcrm import linking
from mailcrm.core.model import Account, Contact, Direction, Folder, FolderRole, ParticipantRole, Visibility
from mailcrm.core.parsed import Delivery
from mailcrm.store import Database, contacts, members, threads
from mailcrm.store.correspondents import bounces, last_contacts, unknown_correspondents, unknown_senders
from mailcrm.store.emails import NewEmail
from tests.conftest import FIRST, NOW, Store
from tests.store.worlds import connect, folder, letter, save

BOB = "bob@example.com"
KIM = "kim@example.kr"
FROM, TO, CC = ParticipantRole.FROM, ParticipantRole.TO, ParticipantRole.CC
TO_KIM = {FROM: FIRST, TO: KIM}


def sent(email: NewEmail) -> NewEmail:
    return replace(email, content=replace(email.content, direction=Direction.OUT))


def mail(
    day: int,
    people: Mapping[ParticipantRole, str] | None = None,
    *,
    automatic: bool = False,
    ambiguous: bool = False,
    deliveries: Iterable[Delivery] = (),
    references: Iterable[str] = (),
) -> NewEmail:
    """Return an email that came on a day after NOW, from Kim unless `people` says otherwise."""
    made = letter(
        day + 1,
        f"{day}@example.org",
        people=people,
        received_at=NOW + timedelta(days=day),
        automatic=automatic,
        from_ambiguous=ambiguous,
        deliveries=list(deliveries),
        references=list(references),
        raw=f"{day} {people}".encode(),
    )
    return sent(made) if people and people[FROM] == FIRST else made


def report(day: int, action: str, *, address: str = KIM, reason: str = "user unknown") -> NewEmail:
    told = Delivery(address=address, action=action, status="5.1.1", reason=reason)
    return mail(day, {FROM: "mailer-daemon@example.kr", TO: FIRST}, automatic=True, deliveries=[told])


class Desk:
    """Ann's account, and Kim, to whom each thread that Kim is in is linked."""

    def __init__(self, store: Store) -> None:
        self.ann = store.as_member(FIRST)
        self.bob = store.add_member(BOB)
        self.account: Account = connect(self.ann, FIRST)
        self.inbox: Folder = folder(self.ann, self.account)
        self.kim: Contact = contacts.create_contact(self.ann, name="Kim", addresses=[KIM])

    def get(self, *emails: NewEmail, into: Folder | None = None, linked: bool = True) -> int:
        (thread, *_) = save(self.ann, self.account, into or self.inbox, *emails).threads
        if linked and not threads.thread(self.ann, str(thread)).contacts:
            linking.link_thread(self.ann, threads.thread(self.ann, str(thread)), self.kim, now=NOW)
        return thread

    def last(self, viewer: Database | None = None) -> tuple[int, str] | None:
        """Return the day after NOW, and the direction, of the last contact with Kim."""
        found = last_contacts(viewer or self.ann, [self.kim.id]).get(self.kim.id)
        return ((found.at - NOW).days, found.direction.value) if found else None

    def flagged(self, viewer: Database | None = None) -> list[tuple[str, int, str]]:
        found = bounces(viewer or self.ann, [self.kim.id]).get(self.kim.id, ())
        return [(one.address, (one.at - NOW).days, one.reason) for one in found]

    def unknown(self) -> list[str]:
        return [one.address for one in unknown_correspondents(self.ann, account_id=None, limit=99)]


@pytest.fixture
def desk(store: Store) -> Desk:
    return Desk(store)


@pytest.mark.rule("last-contacted")
def test_the_newest_email_of_a_person_is_the_last_contact(desk: Desk) -> None:
    assert desk.last() is None
    desk.get(mail(1))
    assert desk.last() == (1, "in")
    desk.get(mail(3, TO_KIM))
    desk.get(mail(2))
    assert desk.last() == (3, "out")
    desk.get(mail(4, {FROM: "kim+list@example.kr", TO: FIRST}))
    assert desk.last() == (4, "in")


@pytest.mark.rule("last-contacted")
def test_programs_doubtful_senders_and_others_are_no_contact(desk: Desk) -> None:
    desk.get(mail(1))
    desk.get(mail(2, automatic=True))
    desk.get(mail(3, ambiguous=True))
    desk.get(report(4, "failed"))
    # Kim is only copied, or only the thread is Kim's.
    desk.get(mail(5, {FROM: "lee@example.kr", TO: FIRST, CC: KIM}))
    desk.get(mail(6, {FROM: FIRST, TO: "lee@example.kr"}))
    desk.get(mail(7), linked=False)
    assert desk.last() == (1, "in")


@pytest.mark.rule("last-contacted")
def test_what_a_viewer_may_not_see_is_no_contact(desk: Desk) -> None:
    desk.get(mail(1))
    thread = desk.get(mail(0))
    assert desk.last(desk.bob) is None
    threads.set_visibility(desk.ann, thread, Visibility.SHARED)
    assert desk.last(desk.bob) == (0, "in")
    assert desk.last() == (1, "in")


@pytest.mark.rule("bounce-flag")
def test_an_address_to_which_mail_failed_is_flagged_until_it_is_heard_of(desk: Desk) -> None:
    desk.get(mail(1, TO_KIM))
    desk.get(report(2, "failed", reason="old"), linked=False)
    desk.get(report(3, "failed"), linked=False)
    assert desk.flagged() == [(KIM, 3, "user unknown")]
    desk.get(report(4, "delayed"), linked=False)
    assert desk.flagged() == [(KIM, 3, "user unknown")]
    desk.get(report(5, "delivered"), linked=False)
    assert desk.flagged() == []
    desk.get(report(6, "failed"), linked=False)
    desk.get(mail(7, ambiguous=True))
    assert desk.flagged() == [(KIM, 6, "user unknown")]
    desk.get(mail(8))
    assert desk.flagged() == []


@pytest.mark.rule("bounce-flag")
def test_a_delay_another_address_and_a_hidden_report_flag_nothing(desk: Desk) -> None:
    desk.get(report(1, "delayed"), linked=False)
    desk.get(report(2, "failed", address="lee@example.kr"), linked=False)
    assert desk.flagged() == []
    thread = desk.get(report(3, "failed"))
    assert desk.flagged(desk.bob) == []
    threads.set_visibility(desk.ann, thread, Visibility.SHARED)
    assert desk.flagged(desk.bob) == [(KIM, 3, "user unknown")]


@pytest.mark.rule("unknown-correspondents")
def test_people_outside_without_a_contact_are_unknown_correspondents(desk: Desk) -> None:
    desk.get(mail(1))
    lees = desk.get(mail(2, {FROM: "lee@example.kr", TO: FIRST, CC: "copied@example.kr"}), linked=False)
    desk.get(mail(3, {FROM: FIRST, TO: "park@example.kr", CC: BOB}), linked=False)
    desk.get(mail(4, {FROM: FIRST, TO: "lee@example.kr"}, references=["2@example.org"]), linked=False)
    desk.get(mail(5, {FROM: "info@example.org", TO: FIRST}), linked=False)
    desk.get(mail(6, {FROM: "kim+tag@example.kr", TO: FIRST}), linked=False)
    desk.get(mail(7, {FROM: "ann+tag@example.com", TO: FIRST}), linked=False)
    role, lee, park = unknown_correspondents(desk.ann, account_id=desk.account.id, limit=99)
    assert (lee.address, lee.emails, lee.threads, lee.thread_id) == ("lee@example.kr", 2, 1, lees)
    assert ((lee.last_at - NOW).days, lee.direction, lee.role) == (4, Direction.OUT, False)
    assert (role.address, role.direction, role.role) == ("info@example.org", Direction.IN, True)
    assert park.address == "park@example.kr"
    assert [one.address for one in unknown_correspondents(desk.ann, account_id=None, limit=1)] == [
        role.address
    ]
    assert unknown_correspondents(desk.bob, account_id=None, limit=99) == []
    members.create_member(
        desk.ann, name="Park", address="park@example.kr", role=desk.ann.viewer.role, login=None, at=NOW
    )
    contacts.create_contact(desk.ann, name="Lee", addresses=["lee@example.kr"])
    assert desk.unknown() == ["info@example.org"]


@pytest.mark.rule("unknown-correspondents")
def test_bulk_senders_doubtful_ones_and_junk_are_left_out(desk: Desk) -> None:
    junk = folder(desk.ann, desk.account, "Junk", FolderRole.JUNK)
    desk.get(mail(1, {FROM: "news@example.org", TO: FIRST}, automatic=True), linked=False)
    desk.get(mail(2, {FROM: "spam@example.org", TO: FIRST}), into=junk, linked=False)
    desk.get(mail(3, {FROM: "forged@example.org", TO: FIRST}, ambiguous=True), linked=False)
    desk.get(mail(4, {FROM: "lee@example.org", TO: FIRST}, automatic=True), linked=False)
    assert desk.unknown() == []
    desk.get(mail(5, {FROM: "lee@example.org", TO: FIRST}), linked=False)
    assert desk.unknown() == ["lee@example.org"]


@pytest.mark.rule("unknown-correspondents")
def test_what_a_colleague_shares_is_not_ours_to_sort(desk: Desk) -> None:
    thread = desk.get(mail(1, {FROM: "lee@example.kr", TO: FIRST}))
    threads.set_visibility(desk.ann, thread, Visibility.SHARED)
    assert desk.unknown() == ["lee@example.kr"]
    assert unknown_correspondents(desk.bob, account_id=None, limit=99) == []


@pytest.mark.rule("unknown-reply")
def test_a_reply_from_an_unknown_address_in_a_linked_thread_is_offered(desk: Desk) -> None:
    thread = desk.get(mail(1))
    lee = mail(
        2, {FROM: "lee@example.org", TO: FIRST, CC: "copied@example.org"}, references=["1@example.org"]
    )
    away = mail(3, {FROM: "away@example.org", TO: FIRST}, references=["1@example.org"], automatic=True)
    assert desk.get(lee, away) == thread
    assert [one.address for one in unknown_senders(desk.ann, thread)] == ["lee@example.org"]
    threads.set_visibility(desk.ann, thread, Visibility.SHARED)
    assert unknown_senders(desk.bob, thread) == []
    contacts.edit_contact(desk.ann, replace(desk.kim, addresses=(*desk.kim.addresses, "lee@example.org")))
    assert unknown_senders(desk.ann, thread) == []


@pytest.mark.rule("unknown-reply")
def test_nothing_is_offered_in_a_thread_that_is_not_linked(desk: Desk) -> None:
    thread = desk.get(mail(1, {FROM: "lee@example.org", TO: FIRST}), linked=False)
    assert unknown_senders(desk.ann, thread) == []
