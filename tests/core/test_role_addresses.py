"""Which addresses are no person's, in the languages of the mail that mailcrm reads."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailcrm.core.addresses import normalise
from mailcrm.core.role_addresses import is_role

pytestmark = pytest.mark.rule("contact-role-address")

ROLES = """
abuse postmaster hostmaster webmaster noc security usenet www info sales support marketing noreply
no-reply no_reply no.reply noreply2 no-reply-invoices calendar-noreply do-not-reply donotreply
do_not_reply mailer-daemon MAILER-DAEMON bounce bounces bounces+123-abc bounce-4711
bounces-lee=example.org notifications notification notify newsletter news newsletter-de alerts
auto-reply srs0=ab=cd=example.org=kim prvs=123=kim owner-friends friends-owner friends-request
friends-bounces list-unsubscribe hello contact contact-us customer.service customer_support help
helpdesk billing accounts-payable jobs hr office sales.kr info-de support+deal42 support2 sales-team
order.service kontakt vertrieb buchhaltung rechnung rechnungen kundenservice datenschutz bewerbung
keine-antwort nicht.antworten contacto ventas soporte atencion.cliente atencionalcliente facturación
facturacion no-responder nocontestar hola accueil compta comptabilité service-client serviceclient
sav ne-pas-repondre nepasrepondre recrutement facturation 고객센터 고객지원 문의 영업 채용 발신전용
cs master recruit 客服 销售 銷售 通知 kefu xiaoshou zhaopin 请勿回复
"""

PEOPLE = """
kim jane.doe jane_doe j.doe jkim kim2 minsu.kim gil-dong.hong wang.wei li hong 김민수 王伟 josé
søren service-kim info.jane kim.sales janesales infobar helper salesman newsom bill billings rooter
johnnews supporter adminton mark mary press-kim kontaktlinse returnsmith bouncer verpoorten listen
newman kim+info kim+noreply jane+newsletter ana.ventas hans.kontakt müller.post
"""


def local_of(name: str) -> str:
    return normalise(f"{name}@example.com") or ""


@pytest.mark.parametrize("name", ROLES.split())
def test_a_role_a_list_or_a_program_is_no_person(name: str) -> None:
    assert is_role(local_of(name))


@pytest.mark.parametrize("name", PEOPLE.split())
def test_a_person_is_no_role(name: str) -> None:
    assert not is_role(local_of(name))


def test_the_domain_says_nothing() -> None:
    assert not is_role("kim@noreply.example.com")
    assert not is_role("kim@info")


@given(st.text(max_size=100))
def test_any_text_gets_an_answer(text: str) -> None:
    assert is_role(text) in (True, False)


@given(st.sampled_from([name for name in ROLES.split() if name.isalpha()]), st.integers(0, 99))
def test_a_number_or_a_tag_at_the_end_changes_nothing(name: str, number: int) -> None:
    assert is_role(local_of(f"{name}{number}"))
    assert is_role(local_of(f"{name}+{number}"))
