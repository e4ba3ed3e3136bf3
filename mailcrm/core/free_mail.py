"""Which domain names can be an organization's: not those of providers that give mailboxes to everybody.

The list holds the providers of the presets, as they name their domains themselves, and the free-mail and
home-internet providers of many countries. One that is missing does little harm: a person gave that domain
to an organization. Who has a mail address at an organization's domain is left to `store.organizations`.
"""

import re

from mailcrm.core.addresses import normalise
from mailcrm.core.errors import UsageError

#: Providers with one name under many top-level domains.
_UNDER = {
    "aol": """
        co.nz co.uk com com.ar com.au com.br com.mx de es fr it se
    """,
    "gmx": """
        at be bg biz ca ch cn co co.in co.uk com com.br com.my com.tr cz de dk es eu fi fr hk hr hu ie
        info it jp li lu mx net nl no org ph pl pt ro rs ru se sg si sk tm tw ua us
    """,
    "hotmail": """
        at be ca ch cl co.id co.il co.in co.jp co.kr co.nz co.th co.uk co.za com com.ar com.au com.br
        com.hk com.mx com.pe com.tr com.tw com.vn cz de dk es fi fr gr hr hu it lt lv my nl no ph pt ro rs
        ru se sg si sk
    """,
    "live": """
        at be ca cl cn co.jp co.kr co.uk co.za com com.ar com.au com.mx com.my com.ph com.pt com.sg de dk
        eu fi fr hk ie in it jp kr nl no nz ru se
    """,
    "outlook": """
        at be cl co.id co.il co.th com com.ar com.au com.br com.gr com.tr com.vn cz de dk es fr hu ie in
        it jp kr lv my ph pt sa sg sk
    """,
    "posteo": """
        at be ca ch cl co co.uk com com.br cr cz de dk ee es eu fi gl gr hn hr hu ie in is it jp la li lt
        lu me mx my net nl no nz org pe pl pm pt ro se sg si tn uk us
    """,
    "yahoo": """
        at be bg ca cl cn co.id co.il co.in co.jp co.kr co.nz co.th co.uk co.za com com.ar com.au com.br
        com.cn com.co com.hk com.hr com.mx com.my com.pe com.ph com.sg com.tr com.tw com.ua com.ve com.vn
        cz de dk es fi fr gr hu ie in it kr lt lv nl no pl pt ro ru se si sk
    """,
    "yandex": """
        az by co.il com com.am com.ge com.tr com.ua ee eu fr kg kz lt lv md net pl ru tj tm ua uz
    """,
}

#: The many names of one provider, mail.com.
_MAIL_COM = """
    2die4.com accountant.com activist.com adexec.com africamail.com aircraftmail.com alabama.usa.com
    alaska.usa.com allergist.com alumni.com alumnidirector.com americamail.com amorous.com angelic.com
    archaeologist.com arizona.usa.com artlover.com asia-mail.com atheist.com australiamail.com
    bartender.net berlin.com bikerider.com birdlover.com blader.com boardermail.com brazilmail.com
    brew-master.com california.usa.com californiamail.com catlover.com cheerful.com chef.net chemist.com
    chinamail.com clerk.com cliffhanger.com collector.org columnist.com comic.com computer4u.com
    consultant.com contractor.net coolsite.net counsellor.com couple.com cutey.com cyber-wizard.com
    cyberdude.com cybergal.com dallasmail.com dbzmail.com deliveryman.com diplomats.com disciples.com
    doctor.com doglover.com doramail.com dr.com dublin.com earthling.net elvisfan.com email.com
    engineer.com englandmail.com europe.com europemail.com execs.com fan.com feelings.com financier.com
    fireman.net florida.usa.com footballer.com gardener.com geologist.com germanymail.com graduate.org
    graphic-designer.com hackermail.com hairdresser.net hilarious.com hockeymail.com homemail.com
    hot-shot.com hour.com humanoid.net illinois.usa.com iname.com innocent.com inorbit.com instructor.net
    insurer.com irelandmail.com italymail.com japan.com journalist.com keromail.com kittymail.com
    koreamail.com lawyer.com legislator.com linuxmail.org london.com loveable.com lovecat.com
    mad.scientist.com madonnafan.com madrid.com mail.com mail.org marchmail.com mexicomail.com
    mindless.com minister.com mobsters.com monarchy.com moscowmail.com munich.com musician.org muslim.com
    myself.com newyork.usa.com nycmail.com optician.com pacificwest.com petlover.com photographer.net
    playful.com poetic.com politician.com popstar.com post.com presidency.com priest.com programmer.net
    publicist.com realtyagent.com reborn.com reggaefan.com religious.com repairman.com representative.com
    rescueteam.com rocketship.com rockfan.com rome.com saintly.com salesperson.net sanfranmail.com
    scientist.com scotlandmail.com secretary.net seductive.com singapore.com snakebite.com songwriter.net
    spainmail.com teachers.org techie.com technologist.com texas.usa.com thegame.com therapist.net
    toke.com toothfairy.com tvstar.com umpire.com usa.com uymail.com webname.com weirdness.com who.net
    whoever.com witty.com worker.com workmail.com writeme.com yours.com
"""

#: All others.
_OTHERS = """
    10minutemail.com 126.com 139.com 163.com 188.com 189.cn 21cn.com 263.net 9online.fr a1.net abv.bg
    adres.pl aim.com alice.fr alice.it aliceadsl.fr aliyun.com ameritech.net amorki.pl anonaddy.com aon.at
    arcor.de arnet.com.ar aruba.it atlas.cz att.net au.com autistici.org autograf.pl autorambler.ru
    azet.sk bbox.fr bell.net bellsouth.net bezeqint.net biglobe.ne.jp bigmir.net bigpond.com
    bigpond.net.au bk.ru blu.it bluewin.ch blueyonder.co.uk bol.com.br bredband.net broadpark.no
    btinternet.com btopenworld.com buziaczek.pl casema.nl cegetel.net centrum.cz centrum.sk
    centurylink.net centurytel.net charter.net chello.at chello.nl chol.com citromail.hu ciudad.com.ar
    clix.pt club-internet.fr cock.li cogeco.ca comcast.net comhem.se compuserve.com corp.mail.ru
    countermail.com cox.net cs.com currently.com cyberia.pl daum.net dion.ne.jp dir.bg disroot.org
    docomo.ne.jp dodo.com.au dreamwiz.com duck.com earthlink.net eircom.net elisanet.fi email.cz email.de
    email.gmx email.it email.ua embarqmail.com emirates.net.ae empal.com empas.com ewe.net ewetel.net
    excite.co.jp excite.com ezweb.ne.jp fastmail.com fastmail.fm fastmail.net fastmail.org fastwebnet.it
    fibertel.com.ar flash.net forthnet.gr foxmail.com free.fr freechal.com freemail.hu freenet.de
    frontier.com frontiernet.net gawab.com gazeta.pl giallo.it globo.com globomail.com gmail.com go2.pl
    go4more.de goo.jp googlemail.com guerrillamail.com hanafos.com hanmail.com hanmail.net hanmir.com
    hetnet.nl hey.com hinet.net hispeed.ch hitel.net hol.gr home.nl hush.com hushmail.com i.softbank.jp
    i.ua icloud.com ig.com.br iinet.net.au ik.me in.com in.gr inbox.com inbox.ru indamail.hu
    indiatimes.com inet.hr infoseek.jp inode.at interia.eu interia.pl internet.ru internode.on.net
    inwind.it iol.it jubii.dk juno.com kabelmail.de kakao.com katamail.com keemail.me kolabnow.com
    kolumbus.fi korea.com kpnmail.nl laposte.net lenta.ru libero.it list.ru livemail.tw luukku.com
    lycos.co.kr lycos.com lycos.de mac.com magenta.de mail.bg mail.ee mail.gmx mail.pt mail.ru mail.ua
    mailbox.org mailfence.com mailinator.com maktoob.com me.com mein.gmx messagingengine.com meta.ua
    mindspring.com movistar.es mozmail.com msn.com mweb.co.za mynet.com myrambler.ru myyahoo.com narod.ru
    nate.com naver.com net.hr netcabo.pt netcologne.de netian.com netscape.com netscape.net netvigator.com
    netvision.net.il netzero.net neuf.fr nifty.com noos.fr ntlworld.com numericable.fr nvbell.net o2.pl
    ocn.ne.jp oi.com.br onet.com.pl onet.eu onet.pl online.de online.no onlinehome.de onmail.com ono.com
    op.pl opoczta.pl optonline.net optusnet.com.au orange.fr otenet.gr ozemail.com.au pacbell.net
    paran.com passport.com pchome.com.tw plala.or.jp planet.nl plusnet.com pm.me pobox.sk pochta.ru
    poczta.fm poczta.onet.eu poczta.onet.pl post.cz post.sk poste.it pp.inet.fi privaterelay.appleid.com
    prodigy.net prodigy.net.mx prokonto.pl proton.me protonmail.ch protonmail.com proximus.be pseudonim.pl
    q.com qq.com quick.cz quicknet.nl r0.ru r7.com rambler.ru rediffmail.com relay.firefox.com
    republika.pl riseup.net ro.ru roadrunner.com rocketmail.com rogers.com rr.com runbox.com sapo.pt
    sbcglobal.net scarlet.be secure.mailbox.org seed.net.tw sent.com seznam.cz sfr.fr shaw.ca sify.com
    simplelogin.com sina.cn sina.com siol.net skiff.com sky.com skynet.be slingshot.co.nz snet.net
    so-net.ne.jp sofort-start.de sofort-surf.de sofortstart.de sofortsurf.de softbank.ne.jp sohu.com
    spectrum.net speedy.com.ar spoko.pl spoluzaci.cz spray.se startmail.com stofanet.dk sunrise.ch
    suomi24.fi supereva.it superonline.com swbell.net sympatico.ca t-online.com t-online.de t-online.hu
    talk21.com talktalk.net tele2.nl telefonica.net telenet.be telia.com telkomsa.net telus.net
    temp-mail.org terra.com.br terra.es tim.it tin.it tiscali.co.uk tiscali.cz tiscali.it tlen.pl tom.com
    tpg.com.au trashmail.com ttmail.com turk.net tut.by tuta.com tuta.io tutamail.com tutanota.com
    tutanota.de twc.com ukr.net unitel.co.kr uol.com.br upcmail.hu upcmail.nl verizon.net videotron.ca
    vip.126.com vip.163.com vip.onet.pl vip.qq.com vip.sina.com vipmail.hu virgilio.it virgin.net
    virginmedia.com vodafone.de vodafonemail.de vodamail.co.za voila.fr volny.cz voo.be vp.pl walla.co.il
    walla.com wanadoo.fr wans.net web.de webmail.co.za windowslive.com windowslive.es windstream.net
    wmconnect.com wo.cn wp.pl xs4all.nl xtra.co.nz ya.com ya.ru yeah.net ymail.com ymobile.ne.jp
    yopmail.com ziggo.nl zipmail.com.br zoho.com zoho.com.au zoho.eu zoho.in zoho.jp zohocloud.ca
    zohomail.com zohomail.com.au zohomail.eu zohomail.in zohomail.jp zohomailcloud.ca zonnet.nl zoznam.sk
"""

_FREE = frozenset(
    [*_MAIL_COM.split(), *_OTHERS.split()]
    + [f"{name}.{ending}" for name, endings in _UNDER.items() for ending in endings.split()]
)

#: Second-level names under which, below a country, many organizations have theirs: co.kr, com.br.
_SHARED_ENDING = re.compile(r"(ac|co|com|edu|go|gov|ne|net|or|org|re|pe)\.[a-z]{2}")

_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)


def is_free_mail(domain: str) -> bool:
    """Say whether mailboxes at a normalised domain, or above it, are given to everybody."""
    return any(name in _FREE for name in above(domain))


def above(domain: str) -> list[str]:
    """Return a domain name and those above it, the longest first, down to two labels."""
    labels = domain.split(".")
    return [".".join(labels[start:]) for start in range(len(labels) - 1)]


def organization_domain(text: str) -> str:
    """Return the domain name in a URL, an address or a name, as addresses are compared.

    Raises UsageError for what is no domain name, and for one that cannot be an organization's.
    """
    host = re.split(r"[/?#]", _SCHEME.sub("", text.strip(), count=1), maxsplit=1)[0]
    host = re.sub(r":\d*$", "", host.rpartition("@")[2])
    domain = (normalise(f"x@{host}") or "").partition("@")[2]
    shorter = domain.removeprefix("www.")
    domain = shorter if "." in shorter else domain
    if "." not in domain or "[" in domain or re.fullmatch(r"[\d.]+", domain):
        raise UsageError(f"{text!r} is not a domain name.", hint="Write it like: --domain example.com")
    if is_free_mail(domain):
        raise UsageError(
            f"Everybody can have a mailbox at {domain}, so it is not an organization's domain.",
            hint="Say of each contact where they are: mailcrm contact edit CONTACT --org ORG",
        )
    if _SHARED_ENDING.fullmatch(domain):
        raise UsageError(
            f"The names of many organizations end in {domain}.",
            hint=f"Give the whole name, like example.{domain}",
        )
    return domain
