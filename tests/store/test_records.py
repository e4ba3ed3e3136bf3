"""The records of the CRM: what each holds, who owns it, what becomes of its links."""

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from typing import Any, TypeAlias

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailcrm import linking
from mailcrm.core.errors import (
    AlreadyExists,
    MailcrmError,
    NeedsChoice,
    NotFound,
    NotPermitted,
    UsageError,
)
from mailcrm.core.free_mail import is_free_mail, organization_domain
from mailcrm.core.model import (
    Account,
    Contact,
    Deal,
    DealStatus,
    Direction,
    Lead,
    LeadStatus,
    LinkOrigin,
    MemberRole,
    Organization,
    ParticipantRole,
    Visibility,
)
from mailcrm.core.money import amount, currency, totals
from mailcrm.store import (
    Database,
    contacts,
    deals,
    labels,
    leads,
    links,
    open_database,
    organizations,
    pipelines,
    records,
    threads,
)
from mailcrm.store.emails import NewEmail
from tests.conftest import FIRST, NOW, Store, login_of
from tests.store.worlds import connect, folder, letter, save

FROM, TO, CC = ParticipantRole.FROM, ParticipantRole.TO, ParticipantRole.CC


def contact(db: Database, name: str, *addresses: str) -> Contact:
    return contacts.create_contact(db, name=name, addresses=addresses)


def deal(db: Database, title: str, *people: Contact) -> Deal:
    ids = [one.id for one in people]
    return deals.create_deal(db, title=title, contact_ids=ids, value=None, currency=None, at=NOW)


def lead(db: Database, title: str, *people: Contact) -> Lead:
    ids = [one.id for one in people]
    return leads.create_lead(db, title=title, contact_ids=ids, value=None, currency=None, at=NOW)


def receive(db: Database, account: Account, *letters: NewEmail) -> int:
    """Store letters of one conversation, and return its thread."""
    (thread,) = save(db, account, folder(db, account), *letters).threads
    return thread


def link(db: Database, thread: int, record: Contact | Deal | Lead) -> None:
    links.add_link(db, thread, record, LinkOrigin.MANUAL, at=NOW)


def titles_of(db: Database, thread: int) -> list[str]:
    return [one.title for one in links.links(db, [thread])]


# --- contacts -----------------------------------------------------------------------------------


@pytest.mark.rule("record-contact")
def test_a_contact_keeps_all_that_is_told_of_it(db: Database) -> None:
    acme = organizations.create_organization(db, name="Acme")
    kim = contacts.create_contact(
        db,
        name=" Kim \n Min-su ",
        addresses=["kim@example.kr", "kim@example.org"],
        organization_id=acme.id,
        title="Buyer",
        phones=["+82 2 123", "", "+82 2 123"],
        notes="likes pumps\nand valves\n",
    )
    assert kim == Contact(
        id=kim.id,
        name="Kim Min-su",
        owner_id=db.viewer.id,
        addresses=("kim@example.kr", "kim@example.org"),
        organization_id=acme.id,
        organization="Acme",
        title="Buyer",
        phones=("+82 2 123",),
        notes="likes pumps\nand valves",
    )
    assert contacts.contact(db, str(kim.id)) == kim
    assert contacts.contacts(db, organization_id=acme.id, limit=9) == [kim]
    assert contacts.contacts(db, organization_id=acme.id + 1, limit=9) == []


@pytest.mark.rule("record-contact")
def test_an_edited_contact_is_what_it_was_stored_as(store: Store, db: Database) -> None:
    bob = store.add_member("bob@example.com").viewer
    kim = contact(db, "Kim", "kim@example.kr", "kim@example.org")
    wanted = replace(
        kim,
        name="M. Kim",
        addresses=("new@example.kr", "kim@example.org"),
        phones=("1", "2"),
        title="CEO",
        notes="x",
        owner_id=bob.id,
    )
    assert contacts.edit_contact(db, wanted) == wanted
    swapped = replace(wanted, addresses=("kim@example.org", "new@example.kr"), phones=("2",))
    assert contacts.edit_contact(db, swapped) == swapped
    with pytest.raises(NotFound):
        contacts.contact(db, "kim@example.kr")
    contact(db, "Lee", "kim@example.kr")


@pytest.mark.rule("record-address-one-contact")
def test_an_address_of_another_contact_is_refused_with_its_name(db: Database) -> None:
    kim, lee = contact(db, "Kim", "kim@example.kr"), contact(db, "Lee", "lee@example.kr")
    with pytest.raises(AlreadyExists, match=f"Lee \\(contact {lee.id}\\)"):
        contacts.edit_contact(db, replace(kim, name="Other", addresses=("kim@example.kr", "lee@example.kr")))
    with pytest.raises(AlreadyExists, match="Kim"):
        contact(db, "Twin", "new@example.kr", "kim@example.kr")
    assert contacts.contacts(db, limit=9) == [kim, lee]


def test_an_unknown_address_says_how_to_make_a_contact(db: Database) -> None:
    with pytest.raises(NotFound, match=r"No contact has the address who@example\.kr") as caught:
        contacts.contact(db, " Who@Example.KR ")
    assert "contact create NAME --address who@example.kr" in caught.value.hint


@pytest.mark.parametrize("text", ["", " ", "\udcff", "a\x00b", "a\x00b@example.kr", "9" * 30, "-1", "²"])
def test_nothing_is_found_by_what_can_be_no_name(db: Database, text: str) -> None:
    for find in (contacts.contact, organizations.organization, deals.deal, leads.lead, labels.label):
        with pytest.raises(NotFound):
            find(db, text)
    with pytest.raises(NotFound):
        pipelines.pipeline(db, text)


@pytest.mark.parametrize("text", ["", " \n\t", "x" * 301, "\x00"])
def test_a_name_has_between_1_and_300_characters(db: Database, text: str) -> None:
    with pytest.raises(UsageError):
        contact(db, text)
    with pytest.raises(UsageError):
        deal(db, text)
    with pytest.raises(UsageError):
        lead(db, text)
    with pytest.raises(UsageError):
        organizations.create_organization(db, name=text)
    with pytest.raises(UsageError):
        labels.create_label(db, text)
    with pytest.raises(UsageError):
        pipelines.create_pipeline(db, name="P", stages=[text])


@given(st.text(max_size=40))
def test_any_text_can_be_a_name_or_is_refused(db: Database, text: str) -> None:
    try:
        made = contacts.create_contact(db, name=text, addresses=[], notes=text, title=text, phones=[text])
    except UsageError:
        assert not text.replace("\x00", "").split()
        return
    assert contacts.contact(db, str(made.id)) == made
    assert made.name == " ".join(made.name.split())


# --- merging ------------------------------------------------------------------------------------


@pytest.mark.rule("record-merge")
def test_a_merged_contact_brings_all_it_has(db: Database) -> None:
    acme = organizations.create_organization(db, name="Acme", domains=["acme.example.org"])
    kim = contacts.create_contact(db, name="Kim", addresses=["kim@example.kr"], phones=["1"], notes="one")
    twin = contacts.create_contact(
        db, name="Kim M.", addresses=["k@acme.example.org"], phones=["2", "1"], notes="two", title="CEO"
    )
    third = contacts.create_contact(db, name="K", addresses=["k@example.kr"], notes="one")
    shared, own, hope = deal(db, "Shared", kim, twin), deal(db, "Own", twin), lead(db, "Hope", twin)
    merged = contacts.merge_contacts(db, kim, [twin, third])
    assert merged == replace(
        kim,
        addresses=("kim@example.kr", "k@acme.example.org", "k@example.kr"),
        phones=("1", "2"),
        notes="one\n\ntwo",
        title="CEO",
        organization_id=acme.id,
        organization="Acme",
    )
    assert deals.deal(db, str(shared.id)).contact_ids == (kim.id,)
    assert deals.deal(db, str(own.id)).contact_ids == (kim.id,)
    assert leads.lead(db, str(hope.id)).contact_ids == (kim.id,)
    for text in (str(twin.id), str(third.id), "k@example.kr", "Kim"):
        assert contacts.contact(db, text) == merged
    assert contacts.contacts(db, limit=9) == [merged]


@pytest.mark.rule("record-merge")
def test_who_was_merged_before_goes_along(db: Database) -> None:
    first, second, third = (contact(db, name, f"{name}@example.kr") for name in ("a", "b", "c"))
    contacts.merge_contacts(db, second, [first])
    merged = contacts.merge_contacts(db, third, [contacts.contact(db, "b")])
    assert merged.addresses == ("c@example.kr", "b@example.kr", "a@example.kr")
    assert {contacts.contact(db, str(one.id)).id for one in (first, second, third)} == {third.id}


@pytest.mark.rule("record-merge")
def test_a_circle_of_merges_is_refused(db: Database) -> None:
    kim, lee = contact(db, "Kim"), contact(db, "Lee")
    for others in ([kim], [lee, kim], [lee, lee]):
        with pytest.raises(UsageError):
            contacts.merge_contacts(db, kim, others)
    contacts.merge_contacts(db, kim, [lee])
    with pytest.raises(NotFound, match="Lee has just been merged"):
        contacts.merge_contacts(db, lee, [kim])
    with pytest.raises(NotFound, match="Lee has just been merged"):
        contacts.merge_contacts(db, kim, [lee])
    assert contacts.contacts(db, limit=9) == [kim]


@pytest.mark.rule("record-merge")
def test_links_of_others_threads_count_for_the_contact_that_is_kept(store: Store, db: Database) -> None:
    bob = store.add_member("bob@example.com")
    box = connect(bob, "bob@example.com", default_visibility=Visibility.SHARED)
    kim, lee = contact(db, "Kim", "kim@example.kr"), contact(db, "Lee", "lee@example.kr")
    thread = receive(bob, box, letter(1, "a@example.org"))
    link(bob, thread, lee)
    assert titles_of(db, thread) == ["Lee"]
    contacts.merge_contacts(db, kim, [lee])
    for viewer in (db, bob):
        (found,) = links.links(viewer, [thread])
        assert (found.title, found.contact_id) == ("Kim", kim.id)
        assert threads.thread(viewer, str(thread)).contacts == ("Kim",)
        assert records.linked_threads(viewer, contact_id=kim.id) == 1
    with pytest.raises(NotPermitted):
        linking.unlink_thread(db, threads.thread(db, str(thread)), kim, now=NOW)
    linking.unlink_thread(bob, threads.thread(bob, str(thread)), kim, now=NOW)
    assert titles_of(bob, thread) == []


@pytest.mark.rule("record-merge")
def test_a_merge_leaves_the_rule_nothing_to_do(db: Database) -> None:
    account = connect(db, FIRST)
    kim, lee = contact(db, "Kim", "kim@example.kr"), contact(db, "Lee", "lee@example.kr")
    thread = receive(
        db, account, letter(1, "a@example.org", people={FROM: "kim@example.kr", CC: "lee@example.kr"})
    )
    linking.apply_rule(db, account, [thread], now=NOW)
    assert sorted(titles_of(db, thread)) == ["Kim", "Lee"]
    contacts.merge_contacts(db, kim, [lee])
    assert titles_of(db, thread) == ["Kim"]
    assert linking.matching_threads(db, [kim.id]) == 0
    linking.unlink_thread(db, threads.thread(db, str(thread)), contacts.contact(db, "Kim"), now=NOW)
    assert linking.matching_threads(db, [kim.id]) == 0


@pytest.mark.rule("record-merge")
def test_two_who_merge_crosswise_at_once_leave_one_contact(store: Store, db: Database) -> None:
    store.add_member("bob@example.com")
    kim, lee = contact(db, "Kim", "kim@example.kr"), contact(db, "Lee", "lee@example.kr")
    outcomes = at_once(
        store,
        lambda own: contacts.merge_contacts(own, kim, [lee]),
        lambda own: contacts.merge_contacts(own, lee, [kim]),
    )
    assert outcomes == ["NotFound", "done"]
    (left,) = contacts.contacts(db, limit=9)
    assert sorted(left.addresses) == ["kim@example.kr", "lee@example.kr"]


@pytest.mark.rule("record-merge")
def test_what_was_merged_meanwhile_is_neither_changed_nor_deleted(db: Database) -> None:
    kim, lee = contact(db, "Kim"), contact(db, "Lee")
    merged = contacts.merge_contacts(db, kim, [lee])
    with pytest.raises(NotFound, match="Lee has just been merged"):
        contacts.edit_contact(db, replace(lee, addresses=("lee@example.kr",)))
    with pytest.raises(NotFound, match="Lee has just been merged"):
        contacts.delete_contact(db, lee, at=NOW)
    assert contacts.contact(db, str(lee.id)) == merged


@settings(max_examples=20)
@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), max_size=6))
@pytest.mark.rule("record-merge")
def test_after_any_merges_each_address_has_one_contact_and_each_number_names_it(
    store: Store, merges: list[tuple[int, int]]
) -> None:
    db = store.as_member(FIRST)
    with db.transaction():
        made = [contact(db, f"p{place}") for place in range(5)]
        made = [contacts.edit_contact(db, replace(one, addresses=(f"p{one.id}@example.kr",))) for one in made]
    into = {one.id: one.id for one in made}
    for place, other in merges:
        kept, merged = (contacts.contact(db, str(made[n].id)) for n in (place, other))
        if kept.id == merged.id:
            with pytest.raises(UsageError):
                contacts.merge_contacts(db, kept, [merged])
            continue
        contacts.merge_contacts(db, kept, [merged])
        into = {key: kept.id if where == merged.id else where for key, where in into.items()}
    for one in made:
        found = contacts.contact(db, str(one.id))
        assert found.id == into[one.id]
        assert contacts.contact(db, f"p{one.id}@example.kr") == found
        assert len(found.addresses) == list(into.values()).count(found.id)


# --- organizations ------------------------------------------------------------------------------


@pytest.mark.rule("record-organization-domain")
@pytest.mark.parametrize(
    ("text", "domain"),
    [
        ("example.com", "example.com"),
        (" https://www.Example.com/x?y=z ", "example.com"),
        ("http://example.com:8080", "example.com"),
        ("kim@EXAMPLE.com", "example.com"),
        ("mailto://kim@example.com", "example.com"),
        ("bücher.example.org", "xn--bcher-kva.example.org"),
        ("예시.example.kr.", "xn--vv4b11d.example.kr"),
        ("www.kr", "www.kr"),
    ],
)
def test_a_domain_is_read_from_a_name_a_url_or_an_address(text: str, domain: str) -> None:
    assert organization_domain(text) == domain


@pytest.mark.rule("record-organization-domain")
@pytest.mark.parametrize(
    "text", ["", "localhost", "example com", "[192.0.2.1]", "192.0.2.1", "https://", "@", "co.kr", "com.br"]
)
def test_what_is_no_domain_of_an_organization_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        organization_domain(text)


FREE_MAIL = """
    gmail.com naver.com daum.net hanmail.net kakao.com nate.com qq.com vip.qq.com 163.com 126.com
    yeah.net 139.com aliyun.com gmx.de gmx.net gmx.at web.de mail.ru yandex.ru yandex.com orange.fr
    libero.it wp.pl seznam.cz t-online.de outlook.com outlook.kr hotmail.co.uk live.com icloud.com
    yahoo.co.jp proton.me eu.mail.gmail.com
"""


@pytest.mark.rule("record-organization-domain")
@pytest.mark.parametrize("domain", FREE_MAIL.split())
def test_a_free_mail_domain_is_nobodys(domain: str) -> None:
    assert is_free_mail(domain)
    with pytest.raises(UsageError, match="Everybody"):
        organization_domain(domain)


@pytest.mark.rule("record-organization-domain")
def test_an_organization_with_a_free_mail_domain_is_not_made(db: Database) -> None:
    with pytest.raises(UsageError, match="Everybody"):
        organizations.create_organization(db, name="Acme", domains=["example.com", "naver.com"])
    assert organizations.organizations(db, limit=9) == []


def test_a_domain_that_only_looks_like_free_mail_is_an_organizations() -> None:
    for domain in ("notgmail.com", "gmail.com.example.org", "mail.example.com", "contoso.onmicrosoft.com"):
        assert not is_free_mail(domain)


@pytest.mark.rule("record-organization-domain")
def test_a_domain_belongs_to_one_organization(db: Database) -> None:
    acme = organizations.create_organization(db, name="Acme", domains=["b.example.org", "a.example.org"])
    assert acme.domains == ("a.example.org", "b.example.org")
    other = organizations.create_organization(db, name="Other", domains=["c.example.org"], notes="n")
    with pytest.raises(AlreadyExists, match=f"Acme \\(organization {acme.id}\\)"):
        organizations.edit_organization(db, replace(other, domains=("https://a.example.org/",)))
    assert organizations.edit_organization(db, replace(acme, domains=("b.example.org",))).domains == (
        "b.example.org",
    )
    changed = replace(other, name="Another", domains=("a.example.org",), notes="")
    assert organizations.edit_organization(db, changed) == changed
    for text in (str(acme.id), "acme", " B.example.org. ", "ac"):
        assert organizations.organization(db, text).id == acme.id


@pytest.mark.rule("record-organization-domain")
def test_a_new_contact_joins_the_organization_of_its_domain(db: Database) -> None:
    acme = organizations.create_organization(db, name="Acme", domains=["example.org"])
    branch = organizations.create_organization(db, name="Branch", domains=["kr.example.org"])
    joined = {
        name: contact(db, name, *addresses).organization
        for name, addresses in {
            "exact": ["a@example.org"],
            "below": ["b@mail.example.org"],
            "nearest": ["c@eu.kr.example.org"],
            "second": ["d@example.com", "d@example.org"],
            "none": ["e@notexample.org"],
        }.items()
    }
    assert joined == {
        "exact": "Acme",
        "below": "Acme",
        "nearest": "Branch",
        "second": "Acme",
        "none": None,
    }
    said = contacts.create_contact(db, name="said", addresses=["s@example.org"], organization_id=branch.id)
    assert said.organization_id == branch.id
    organizations.delete_organization(db, acme)
    assert contacts.contact(db, "exact").organization is None


# --- deals and pipelines ------------------------------------------------------------------------


@pytest.mark.rule("record-deal")
def test_a_deal_keeps_all_that_is_told_of_it(store: Store, db: Database) -> None:
    bob = store.add_member("bob@example.com").viewer
    acme = organizations.create_organization(db, name="Acme")
    kim, lee = contact(db, "Kim"), contact(db, "Lee")
    (sales,) = pipelines.pipelines(db)
    made = deals.create_deal(
        db,
        title="Pumps",
        contact_ids=[kim.id],
        value="90",
        currency="EUR",
        at=NOW,
        organization_id=acme.id,
        stage_id=sales.stages[2].id,
        expected_close=date(2026, 9, 30),
        owner_id=bob.id,
    )
    assert (made.organization, made.stage, made.pipeline) == ("Acme", "Meeting", "Sales")
    assert (made.expected_close, made.owner_id, made.created_at) == (date(2026, 9, 30), bob.id, NOW)
    changed = replace(
        made,
        title="More pumps",
        contacts=("Lee",),
        contact_ids=(lee.id,),
        value=None,
        currency=None,
        organization_id=None,
        organization=None,
        expected_close=None,
        owner_id=db.viewer.id,
    )
    assert deals.edit_deal(db, changed) == changed
    assert deals.move_deal(db, changed, sales.stages[0]) == replace(changed, stage="Qualified")
    assert deals.deals(db, status=None, organization_id=acme.id, limit=9) == []


@pytest.mark.rule("record-deal")
def test_a_deal_knows_since_when_it_is_closed(db: Database) -> None:
    pumps = deal(db, "Pumps")
    assert (pumps.stage, pumps.status, pumps.closed_at) == ("Qualified", DealStatus.OPEN, None)
    for status in (DealStatus.WON, DealStatus.LOST):
        assert deals.set_deal_status(db, pumps, status, at=NOW).closed_at == NOW
    assert deals.set_deal_status(db, pumps, DealStatus.OPEN, at=NOW).closed_at is None


def test_a_sum_of_money_is_stored_without_an_exponent() -> None:
    assert (amount("1e3"), amount("10.50"), currency("eur", "1")) == ("1000", "10.50", "EUR")


@pytest.mark.rule("record-deal")
def test_a_deal_takes_new_conversations_while_it_is_open(db: Database) -> None:
    account = connect(db, FIRST)
    kim = contact(db, "Kim", "kim@example.kr")
    pumps = deal(db, "Pumps", kim)
    first, second = (
        receive(db, account, letter(uid, f"{uid}@example.org", subject=f"Matter {uid}")) for uid in (1, 2)
    )
    closed = deals.set_deal_status(db, pumps, DealStatus.WON, at=NOW)
    linking.apply_rule(db, account, [first], now=NOW)
    assert titles_of(db, first) == ["Kim"]
    deals.set_deal_status(db, closed, DealStatus.OPEN, at=NOW)
    linking.apply_rule(db, account, [second], now=NOW)
    assert sorted(titles_of(db, second)) == ["Kim", "Pumps"]


@pytest.mark.rule("record-pipeline")
def test_a_pipeline_has_stages_in_order(db: Database) -> None:
    made = pipelines.create_pipeline(db, name="Partners", stages=["First", "Second"])
    made = pipelines.add_stage(db, made, "Third")
    made = pipelines.rename_stage(db, made, made.stages[1], "Middle")
    made = pipelines.rename_pipeline(db, made, "Friends")
    assert [stage.name for stage in made.stages] == ["First", "Middle", "Third"]
    assert pipelines.pipeline(db, "fri") == made
    assert pipelines.stage(made, "mid") == pipelines.stage(made, str(made.stages[1].id)) == made.stages[1]
    for wrong in ("Qualified", "1", "4th"):
        with pytest.raises(UsageError, match="has no stage"):
            pipelines.stage(made, wrong)
    made = pipelines.remove_stage(db, made, made.stages[0])
    assert [stage.name for stage in made.stages] == ["Middle", "Third"]
    for again in ("friends", "SALES"):
        with pytest.raises(AlreadyExists):
            pipelines.create_pipeline(db, name=again, stages=["One"])
    with pytest.raises(AlreadyExists):
        pipelines.add_stage(db, made, "middle")
    for stages in ([], ["a", "A"]):
        with pytest.raises(UsageError):
            pipelines.create_pipeline(db, name="Bad", stages=stages)


@pytest.mark.rule("record-pipeline")
def test_a_stage_is_put_where_it_belongs(db: Database) -> None:
    other = pipelines.create_pipeline(db, name="Other", stages=["One", "Four"])
    sales, made = pipelines.pipelines(db)
    made = pipelines.add_stage(db, made, "Two", before=made.stages[1])
    made = pipelines.add_stage(db, made, "Zero", before=made.stages[0])
    made = pipelines.add_stage(db, made, "Three", before=made.stages[3])
    made = pipelines.add_stage(db, made, "Five")
    assert [stage.name for stage in made.stages] == ["Zero", "One", "Two", "Three", "Four", "Five"]
    assert pipelines.pipelines(db) == [sales, made]
    assert made.id == other.id


@pytest.mark.rule("record-deal")
def test_deals_are_listed_by_what_they_have(store: Store, db: Database) -> None:
    bob = store.add_member("bob@example.com").viewer
    (sales,) = pipelines.pipelines(db)
    other = pipelines.create_pipeline(db, name="Other", stages=[sales.stages[0].name, "Last"])
    kim, lee = contact(db, "Kim", "kim@example.kr"), contact(db, "Lee", "lee@example.kr")
    deal(db, "Pumps", kim, lee)
    valves, pipes = deal(db, "Valves", lee), deal(db, "Pipes")
    valves = deals.move_deal(db, valves, other.stages[0])
    pipes = deals.edit_deal(db, replace(deals.move_deal(db, pipes, other.stages[1]), owner_id=bob.id))

    def listed(**of: Any) -> list[str]:
        return [one.title for one in deals.deals(db, status=None, limit=9, **of)]

    assert listed(contact_id=kim.id) == ["Pumps"]
    assert listed(contact_id=lee.id) == ["Valves", "Pumps"]
    assert listed(owner_id=bob.id) == ["Pipes"]
    assert listed(stages=other.stages) == ["Pipes", "Valves"]
    assert listed(stages=other.stages, contact_id=lee.id) == ["Valves"]
    assert listed(stages=[]) == []
    assert listed(stages=pipelines.stages_called([sales, other], sales.stages[0].name.lower())) == [
        "Valves",
        "Pumps",
    ]
    assert pipelines.stages_called([sales, other], str(other.stages[0].id)) == [other.stages[0]]
    with pytest.raises(NotFound, match="no stage 'Nope'"):
        pipelines.stages_called([sales, other], "Nope")
    pipelines.add_stage(db, other, "Later")
    with pytest.raises(NeedsChoice):
        pipelines.stages_called(pipelines.pipelines(db), "la")


@pytest.mark.rule("record-lead")
def test_leads_are_listed_by_what_they_have(store: Store, db: Database) -> None:
    bob = store.add_member("bob@example.com").viewer
    kim, lee = contact(db, "Kim", "kim@example.kr"), contact(db, "Lee", "lee@example.kr")
    pumps, valves = lead(db, "Pumps", kim, lee), lead(db, "Valves", lee)
    leads.edit_lead(db, replace(pumps, labels=("hot", "new")))
    leads.edit_lead(db, replace(valves, labels=("new",), owner_id=bob.id))

    def listed(**of: Any) -> list[str]:
        return [one.title for one in leads.leads(db, status=None, limit=9, **of)]

    assert listed(contact_id=kim.id) == ["Pumps"]
    assert listed(contact_id=lee.id) == ["Valves", "Pumps"]
    assert listed(owner_id=bob.id) == ["Valves"]
    assert listed(label_id=labels.label(db, "hot").id) == ["Pumps"]
    assert listed(label_id=labels.label(db, "new").id, owner_id=db.viewer.id) == ["Pumps"]


@pytest.mark.rule("record-pipeline")
def test_a_stage_with_deals_stays(db: Database) -> None:
    (sales,) = pipelines.pipelines(db)
    other = pipelines.create_pipeline(db, name="Other", stages=["One"])
    pumps = deals.move_deal(db, deal(db, "Pumps"), other.stages[0])
    assert (pumps.pipeline, pumps.stage) == ("Other", "One")
    with pytest.raises(UsageError, match="last stage"):
        pipelines.remove_stage(db, other, other.stages[0])
    other = pipelines.add_stage(db, other, "Two")
    with pytest.raises(UsageError, match="Stage One has a deal"):
        pipelines.remove_stage(db, other, other.stages[0])
    with pytest.raises(UsageError, match="Pipeline Other has a deal"):
        pipelines.delete_pipeline(db, other)
    deals.move_deal(db, pumps, sales.stages[0])
    pipelines.delete_pipeline(db, other)
    with pytest.raises(UsageError, match="last pipeline"):
        pipelines.delete_pipeline(db, sales)
    assert pipelines.pipelines(db) == [sales]


# --- leads and labels ---------------------------------------------------------------------------


@pytest.mark.rule("record-lead")
def test_a_lead_has_contacts_an_organization_and_labels(db: Database) -> None:
    kim = contact(db, "Kim")
    acme = organizations.create_organization(db, name="Acme")
    labels.create_label(db, "Hot")
    made = leads.create_lead(
        db,
        title="Valves",
        contact_ids=[kim.id],
        value="5",
        currency="KRW",
        at=NOW,
        organization_id=acme.id,
        labels=["hot", "new", "NEW"],
    )
    assert (made.labels, made.contacts, made.organization) == (("Hot", "NEW"), ("Kim",), "Acme")
    assert [label.name for label in labels.labels(db)] == ["Hot", "NEW"]
    changed = replace(made, title="Valve", labels=("cold",), contacts=(), contact_ids=(), value=None)
    assert leads.edit_lead(db, replace(changed, currency=None)) == replace(changed, currency=None)
    assert leads.leads(db, status=LeadStatus.OPEN, limit=9) == [leads.lead(db, "val")]


@pytest.mark.rule("record-lead")
def test_an_archived_lead_is_opened_again(db: Database) -> None:
    hope = lead(db, "Hope")
    archived = leads.archive_lead(db, hope, at=NOW)
    assert (archived.status, archived.closed_at) == (LeadStatus.ARCHIVED, NOW)
    later = NOW + timedelta(days=1)
    assert leads.archive_lead(db, archived, at=later) == archived
    assert leads.reopen_lead(db, archived) == hope
    assert leads.reopen_lead(db, hope) == hope


@pytest.mark.rule("record-lead")
def test_a_label_is_called_otherwise_and_goes_everywhere(db: Database) -> None:
    hot = labels.create_label(db, "Hot")
    hope = leads.edit_lead(db, replace(lead(db, "Hope"), labels=("Hot",)))
    assert labels.labelled(db, hot) == (0, 1)
    assert labels.rename_label(db, hot, "HOT").name == "HOT"
    labels.create_label(db, "Cold")
    with pytest.raises(AlreadyExists):
        labels.rename_label(db, labels.label(db, "hot"), "cold")
    with pytest.raises(AlreadyExists):
        labels.create_label(db, "COLD")
    labels.delete_label(db, labels.label(db, str(hot.id)))
    assert leads.lead(db, str(hope.id)).labels == ()
    with pytest.raises(NotFound):
        labels.label(db, "hot")


@pytest.mark.rule("lead-convert")
def test_a_converted_lead_is_a_deal_with_all_it_had(store: Store, db: Database) -> None:
    bob = store.add_member("bob@example.com").viewer
    kim = contact(db, "Kim")
    acme = organizations.create_organization(db, name="Acme")
    hope = leads.create_lead(
        db,
        title="Hope",
        contact_ids=[kim.id],
        value="5",
        currency="KRW",
        at=NOW,
        organization_id=acme.id,
        owner_id=bob.id,
    )
    account = connect(db, FIRST)
    thread = receive(db, account, letter(1, "a@example.org"))
    link(db, thread, hope)
    (sales,) = pipelines.pipelines(db)
    later = NOW + timedelta(days=1)
    converted, made = leads.convert_lead(db, hope, step=sales.stages[1], at=later)
    assert converted == replace(hope, status=LeadStatus.CONVERTED, closed_at=later, deal_id=made.id)
    assert (made.title, made.value, made.currency) == ("Hope", "5", "KRW")
    assert (made.contact_ids, made.organization_id, made.owner_id) == ((kim.id,), acme.id, bob.id)
    assert (made.stage, made.status, made.created_at) == ("Contact made", DealStatus.OPEN, later)
    (found,) = links.links(db, [thread])
    assert (found.deal_id, found.lead_id) == (made.id, None)


@pytest.mark.rule("record-lead")
@pytest.mark.rule("lead-convert")
def test_a_lead_is_converted_once(db: Database) -> None:
    hope = lead(db, "Hope")
    _, made = leads.convert_lead(db, hope, at=NOW)
    with pytest.raises(AlreadyExists, match=f"deal {made.id} Hope"):
        leads.convert_lead(db, hope, at=NOW)
    converted = leads.lead(db, str(hope.id))
    with pytest.raises(UsageError, match="was converted"):
        leads.archive_lead(db, converted, at=NOW)
    with pytest.raises(UsageError, match="was converted"):
        leads.reopen_lead(db, hope)
    with pytest.raises(UsageError, match=f"is deal {made.id} now"):
        leads.delete_lead(db, converted, at=NOW)
    assert leads.converted_to(db, made) == [converted]
    deals.delete_deal(db, made, at=NOW)
    assert leads.reopen_lead(db, converted) == hope
    leads.convert_lead(db, hope, at=NOW)


@pytest.mark.rule("lead-convert")
def test_an_archived_lead_is_not_converted(db: Database) -> None:
    hope = leads.archive_lead(db, lead(db, "Hope"), at=NOW)
    with pytest.raises(UsageError, match="is archived") as caught:
        leads.convert_lead(db, hope, at=NOW)
    assert f"lead unarchive {hope.id}" in caught.value.hint
    assert deals.deals(db, status=None, limit=9) == []


@pytest.mark.rule("lead-convert")
def test_two_who_convert_at_once_make_one_deal(store: Store, db: Database) -> None:
    hope = lead(db, "Hope")
    store.add_member("bob@example.com")
    outcomes = at_once(
        store,
        lambda own: leads.convert_lead(own, hope, at=NOW),
        lambda own: leads.convert_lead(own, hope, at=NOW),
    )
    assert outcomes == ["AlreadyExists", "done"]
    assert len(deals.deals(db, status=None, limit=9)) == 1


def at_once(store: Store, *works: Callable[[Database], object]) -> list[str]:
    """Let Ann and Bob each do something at the same time; return, sorted, how it went."""
    together = threading.Barrier(len(works))
    outcomes: list[str] = []

    def run(address: str, work: Callable[[Database], object]) -> None:
        own = open_here(store, address)
        try:
            together.wait(timeout=30)
            work(own)
            outcomes.append("done")
        except MailcrmError as error:
            outcomes.append(type(error).__name__)
        finally:
            own.close()

    workers = [
        threading.Thread(target=run, args=each)
        for each in zip((FIRST, "bob@example.com"), works, strict=True)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(timeout=60)
    return sorted(outcomes)


def open_here(store: Store, address: str) -> Database:
    """Open the store in the thread that uses it, as SQLite wants, and close it there."""
    login = store.url if store.kind == "sqlite" else store._login(login_of(address))
    return open_database(login, viewer=address if store.kind == "sqlite" else None)


# --- deleting -----------------------------------------------------------------------------------


@pytest.mark.rule("record-delete")
def test_with_a_record_go_its_links_and_no_mail(db: Database) -> None:
    account = connect(db, FIRST)
    kim, pumps, hope = contact(db, "Kim", "kim@example.kr"), deal(db, "Pumps"), lead(db, "Hope")
    first, second = (
        receive(db, account, letter(uid, f"{uid}@example.org", subject=f"Matter {uid}")) for uid in (1, 2)
    )
    for record in (kim, pumps):
        link(db, first, record)
    link(db, second, hope)
    assert records.linked_threads(db, contact_id=kim.id) == 1
    assert records.linked_threads(db, deal_id=pumps.id) == 1
    assert records.linked_threads(db, lead_id=hope.id) == 1
    contacts.delete_contact(db, kim, at=NOW)
    assert titles_of(db, first) == ["Pumps"]
    deals.delete_deal(db, pumps, at=NOW)
    leads.delete_lead(db, hope, at=NOW)
    assert titles_of(db, first) == titles_of(db, second) == []
    assert threads.thread(db, str(first)).email_count == 1
    contact(db, "Kim", "kim@example.kr")


Record: TypeAlias = Contact | Deal | Lead | Organization


def one_of_each(db: Database) -> list[Record]:
    acme = organizations.create_organization(db, name="Acme")
    return [contact(db, "Kim"), deal(db, "Pumps"), lead(db, "Hope"), acme]


def delete(db: Database, record: Record) -> None:
    match record:
        case Contact():
            contacts.delete_contact(db, record, at=NOW)
        case Deal():
            deals.delete_deal(db, record, at=NOW)
        case Lead():
            leads.delete_lead(db, record, at=NOW)
        case Organization():
            organizations.delete_organization(db, record)


def hand_on(db: Database, record: Record, to: int) -> Record:
    match record:
        case Contact():
            return contacts.edit_contact(db, replace(record, owner_id=to))
        case Deal():
            return deals.edit_deal(db, replace(record, owner_id=to))
        case Lead():
            return leads.edit_lead(db, replace(record, owner_id=to))
        case Organization():
            return organizations.edit_organization(db, replace(record, owner_id=to))


@pytest.mark.rule("record-delete")
def test_only_its_owner_or_an_admin_deletes_a_record(store: Store, db: Database) -> None:
    bob = store.add_member("bob@example.com")
    eve = store.add_member("eve@example.com", role=MemberRole.ADMIN)
    made = one_of_each(db)
    for record in made:
        with pytest.raises(NotPermitted, match="Only the owner"):
            delete(bob, record)
    assert left(db) == 4
    for record in made:
        delete(eve, record)
    for record in one_of_each(bob):
        delete(bob, record)
    assert left(db) == 0


def left(db: Database) -> int:
    found: list[Record] = [
        *contacts.contacts(db, limit=9),
        *deals.deals(db, status=None, limit=9),
        *leads.leads(db, status=None, limit=9),
        *organizations.organizations(db, limit=9),
    ]
    return len(found)


@pytest.mark.rule("record-delete")
def test_all_members_change_a_record_and_its_owner_hands_it_on(store: Store, db: Database) -> None:
    bob = store.add_member("bob@example.com")
    for record in one_of_each(db):
        with pytest.raises(NotPermitted, match="hands it on"):
            hand_on(bob, record, bob.viewer.id)
        assert hand_on(bob, record, db.viewer.id) == record
        assert hand_on(db, record, bob.viewer.id).owner_id == bob.viewer.id
        delete(bob, record)


@pytest.mark.rule("record-delete")
def test_what_is_counted_before_deleting_is_what_the_viewer_sees(store: Store, db: Database) -> None:
    bob = store.add_member("bob@example.com")
    box = connect(bob, "bob@example.com")
    kim = contact(db, "Kim", "kim@example.kr")
    private = receive(bob, box, letter(1, "a@example.org"))
    link(bob, private, kim)
    assert records.linked_threads(db, contact_id=kim.id) == 0
    assert records.linked_threads(bob, contact_id=kim.id) == 1
    contacts.delete_contact(db, kim, at=NOW)
    assert titles_of(bob, private) == []


@pytest.mark.rule("record-delete")
def test_with_a_contact_goes_what_was_merged_into_it(store: Store, db: Database) -> None:
    bob = store.add_member("bob@example.com")
    kim, lee = contact(db, "Kim"), contact(bob, "Lee")
    box = connect(bob, "bob@example.com")
    thread = receive(bob, box, letter(1, "a@example.org"))
    link(bob, thread, lee)
    merged = contacts.merge_contacts(db, kim, [lee])
    contacts.delete_contact(db, merged, at=NOW)
    for one in (kim, lee):
        with pytest.raises(NotFound):
            contacts.contact(bob, str(one.id))
    assert titles_of(bob, thread) == []


# --- a contact from a conversation --------------------------------------------------------------


def named(mail: NewEmail, **names: str) -> NewEmail:
    """Return a letter in which people have names, by the word before the @."""
    people = tuple(
        replace(one, name=names.get(one.address.partition("@")[0], ""))
        for one in mail.content.parsed.participants
    )
    return NewEmail(
        source=mail.source,
        content=replace(mail.content, parsed=replace(mail.content.parsed, participants=people)),
    )


def sent(mail: NewEmail) -> NewEmail:
    return NewEmail(source=mail.source, content=replace(mail.content, direction=Direction.OUT))


@pytest.mark.rule("record-create-from-thread")
def test_the_newest_email_of_a_person_says_who_they_are(db: Database) -> None:
    account = connect(db, FIRST)
    thread = receive(
        db,
        account,
        named(letter(1, "a@example.org", received_at=NOW - timedelta(days=2)), kim="Old name"),
        named(letter(2, "b@example.org", references=["a@example.org"]), kim="Kim Min-su"),
        letter(
            3,
            "c@example.org",
            references=["a@example.org"],
            automatic=True,
            people={FROM: "daemon@example.org"},
        ),
        letter(
            4,
            "d@example.org",
            references=["a@example.org"],
            from_ambiguous=True,
            people={FROM: "evil@example.org"},
        ),
    )
    row = threads.thread(db, str(thread))
    assert contacts.correspondent(db, row) == ("Kim Min-su", "kim@example.kr")
    contact(db, "Kim", "kim@example.kr")
    with pytest.raises(NeedsChoice, match="may be forged") as caught:
        contacts.correspondent(db, row)
    assert caught.value.candidates == ("evil@example.org",)
    assert contacts.correspondent(db, row, "evil@example.org") == ("evil@example.org", "evil@example.org")
    contact(db, "Evil", "evil@example.org")
    with pytest.raises(NotFound, match="Nobody in thread"):
        contacts.correspondent(db, row)
    assert contacts.correspondent(db, row, "daemon@example.org")[1] == "daemon@example.org"


@pytest.mark.rule("record-create-from-thread")
@pytest.mark.parametrize("doubt", [{"from_ambiguous": True}, {"dmarc": "fail"}])
def test_an_email_that_may_be_forged_makes_no_contact_by_itself(db: Database, doubt: dict[str, Any]) -> None:
    account = connect(db, FIRST)
    people = {FROM: "ceo@example.org", CC: "aide@example.org", TO: FIRST}
    forged = named(letter(1, "a@example.org", people=people, **doubt), kim="The boss")
    thread = receive(db, account, forged)
    row = threads.thread(db, str(thread))
    with pytest.raises(NeedsChoice, match="may be forged") as caught:
        contacts.correspondent(db, row)
    assert caught.value.candidates == ("ceo@example.org",)
    for address in ("ceo@example.org", "aide@example.org"):
        assert contacts.correspondent(db, row, address) == (address, address)
    receive(
        db, account, letter(2, "b@example.org", references=["a@example.org"], people={FROM: "kim@example.kr"})
    )
    assert contacts.correspondent(db, row)[1] == "kim@example.kr"


@pytest.mark.rule("record-create-from-thread")
def test_who_is_named_beside_a_known_writer_is_the_one_who_is_left(db: Database) -> None:
    account = connect(db, FIRST)
    people = {FROM: "kim@example.kr", CC: "park@example.kr", TO: FIRST}
    thread = receive(
        db,
        account,
        letter(1, "a@example.org", people=people),
        letter(
            2,
            "b@example.org",
            references=["a@example.org"],
            automatic=True,
            people={FROM: "daemon@example.org", CC: "list@example.org"},
        ),
    )
    row = threads.thread(db, str(thread))
    assert contacts.correspondent(db, row)[1] == "kim@example.kr"
    contact(db, "Kim", "kim@example.kr")
    assert contacts.correspondent(db, row)[1] == "park@example.kr"
    receive(
        db,
        account,
        letter(
            3,
            "c@example.org",
            references=["a@example.org"],
            people={FROM: "kim@example.kr", CC: "lee@example.kr", TO: FIRST},
        ),
    )
    with pytest.raises(NeedsChoice) as caught:
        contacts.correspondent(db, row)
    assert sorted(caught.value.candidates) == ["lee@example.kr", "park@example.kr"]


@pytest.mark.rule("record-create-from-thread")
def test_several_people_are_told_apart_by_address(db: Database) -> None:
    account = connect(db, FIRST)
    thread = receive(
        db,
        account,
        named(letter(1, "a@example.org"), kim="Kim"),
        letter(
            2,
            "b@example.org",
            references=["a@example.org"],
            people={FROM: "lee@example.kr", CC: "park@example.kr", TO: FIRST},
        ),
    )
    row = threads.thread(db, str(thread))
    with pytest.raises(NeedsChoice) as caught:
        contacts.correspondent(db, row)
    assert sorted(caught.value.candidates) == ["kim@example.kr Kim", "lee@example.kr"]
    assert contacts.correspondent(db, row, "lee@example.kr") == ("lee@example.kr", "lee@example.kr")
    assert contacts.correspondent(db, row, "park@example.kr")[1] == "park@example.kr"
    for wrong in (FIRST, "nobody@example.kr"):
        with pytest.raises(NotFound):
            contacts.correspondent(db, row, wrong)


@pytest.mark.rule("record-create-from-thread")
def test_where_only_we_wrote_it_is_who_got_our_mail(store: Store, db: Database) -> None:
    store.add_member("bob@example.com")
    account = connect(db, FIRST)
    thread = receive(
        db,
        account,
        sent(
            named(
                letter(
                    1, "a@example.org", people={FROM: FIRST, TO: "kim@example.kr", CC: "bob+x@example.com"}
                ),
                kim="ceo@example.org",
            )
        ),
    )
    row = threads.thread(db, str(thread))
    # A name that looks like an address is not trusted.
    assert contacts.correspondent(db, row) == ("kim@example.kr", "kim@example.kr")


# --- what waits to be linked --------------------------------------------------------------------


@pytest.mark.rule("link-later")
def test_a_new_address_deal_or_lead_says_how_many_stored_threads_wait(db: Database) -> None:
    account = connect(db, FIRST)
    thread = receive(db, account, letter(1, "a@example.org"))
    kim = contact(db, "Kim")
    assert linking.matching_threads(db, [kim.id]) == 0
    kim = contacts.edit_contact(db, replace(kim, addresses=("kim@example.kr",)))
    assert linking.matching_threads(db, [kim.id]) == 1
    linking.apply_rule_to_account(db, account, now=NOW)
    assert linking.matching_threads(db, [kim.id]) == 0
    pumps = deal(db, "Pumps", kim)
    assert linking.matching_threads(db, pumps.contact_ids) == 1
    linking.apply_rule_to_account(db, account, now=NOW)
    assert sorted(titles_of(db, thread)) == ["Kim", "Pumps"]


# --- sums of money ------------------------------------------------------------------------------


@pytest.mark.rule("record-deal")
def test_sums_of_money_come_to_a_total_in_each_currency() -> None:
    sums = [("0.10", "EUR"), ("1000", None), ("0.20", "EUR"), ("1200000", "KRW")]
    assert totals(sums) == ["1,000", "0.30 EUR", "1,200,000 KRW"]
    assert totals([]) == []


@given(st.lists(st.tuples(st.integers(0, 10**14), st.sampled_from(["EUR", "KRW", None]))))
def test_a_total_is_exact_whatever_the_order(sums: list[tuple[int, str | None]]) -> None:
    told = totals((str(value), unit) for value, unit in sums)
    assert told == totals((str(value), unit) for value, unit in reversed(sums))
    assert sum(int(one.split()[0].replace(",", "")) for one in told) == sum(value for value, _ in sums)
