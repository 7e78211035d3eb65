"""Invented clients and notifications to try the product with. Nobody real can be reached by them.

E-mail addresses are in the domains of RFC 2606, phone numbers in the block reserved for fiction in each North American
area code (555-0100 to 555-0199). After those 20,000, numbers begin with +999, a country code that the ITU has not
assigned.
"""

import random
import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from notifier.messages.variants import Texts

DOMAINS = ("example.com", "example.org", "example.net")
#: Where several clients work: no two have one address, but those of colleagues end alike.
OFFICES = ("harbour-view.example.com", "mill-lane.example.org", "old-station.example.net")
#: Of so many clients in a row the first few are colleagues.
OFFICE_EVERY, COLLEAGUES = 20, 2
AREA_CODES = """
201 202 203 205 206 207 208 209 210 212 213 214 215 216 217 218 219 220 223 224 225 228 229 231 234 239 240 248 251 252
253 254 256 260 262 267 269 270 272 276 281 301 302 303 304 305 307 308 309 310 312 313 314 315 316 317 318 319 320 321
323 325 330 331 334 336 337 339 346 347 351 352 360 361 385 386 401 402 404 405 406 407 408 409 410 412 413 414 415 417
419 423 424 425 430 432 434 435 440 442 443 458 463 469 470 475 478 479 480 484 501 502 503 504 505 507 508 509 510 512
513 515 516 517 518 520 530 531 534 539 540 541 551 559 561 562 563 567 570 571 573 574 575 580 585 586 601 602 603 605
606 607 608 609 610 612 614 615 616 617 618 619 620 623 626 628 629 630 631 636 641 646 650 651 657 660 661 662 667 669
678 681 682 701 702 703 704 706 707 708 712 713 714 715 716 717 718 719 720 724
""".split()[:200]
_FICTIONAL = len(AREA_CODES) * 100

# First and last names of one culture stay together: "first names | last names".
_CULTURES = """
Olivia Amelia George Harry Freya Jack Isla Oscar Poppy Alfie Imogen|Smith Taylor Wright Hughes Clarke Bennett Shaw
Aoife Cian Niamh Seán Saoirse Oisín Róisín Pádraig Ciara Eoin|O’Brien Murphy Walsh Byrne Ryan Doyle Gallagher Kavanagh
Élodie Chloé Hugo Léa Mathis Inès Théo Margaux Gaël Zoé François|Dubois Lefèvre Moreau Girard Fournier Mercier Chevalier
Sofía Mateo Lucía Hugo Martina Álvaro Carmen Íñigo Jimena Andrés|García Fernández López Muñoz Ibáñez Castro Núñez Vega
Beatriz João Inês Tiago Mariana Gonçalo Leonor Rui Catarina|Silva Santos Ferreira Gonçalves Araújo Conceição Magalhães
Giulia Lorenzo Chiara Matteo Alessia Niccolò Ginevra Tommaso|Rossi Bianchi Esposito Ricci Marino Greco Lombardi Conti
Lena Jonas Hannah Felix Jürgen Mia Björn Käthe Lukas Anneliese|Müller Schäfer Weiß Köhler Vogel Krüger Brandt Lorenz
Sanne Daan Fleur Bram Lotte Sem Noor Thijs Femke|Jansen Bakker Visser Smit Meijer Mulder Dekker Brouwer
Astrid Søren Freja Lars Ingrid Håkon Åsa Mikkel Linnéa|Andersen Lindqvist Nørgaard Bergström Hansen Åkesson Dahl
Aino Eero Helmi Väinö Aada Onni Säde Mikko|Virtanen Mäkinen Nieminen Hämäläinen Koskinen Järvinen
Zofia Łukasz Agnieszka Michał Kasia Paweł Małgorzata Stanisław|Kowalska Nowak Wójcik Zieliński Dąbrowska Szymański
Tereza Jiří Eliška Ondřej Adéla Matěj Zdeněk|Novák Dvořák Procházka Černý Kučera Horák Šťastný
Ana Luka Ivana Marko Jelena Nikola Dunja Zoran|Horvat Kovačević Babić Marić Jovanović Petrović Vuković
Eleni Nikos Katerina Giorgos Despina Stavros Ioanna|Papadopoulos Nikolaidis Georgiou Vasileiou Ioannou Dimitriou
Oksana Taras Daryna Bohdan Iryna Andriy Solomiya|Shevchenko Kovalenko Bondarenko Melnyk Tkachenko Savchenko
Anastasia Dmitri Svetlana Alexei Yulia Maxim Tatiana|Ivanova Petrov Sokolov Volkov Lebedeva Morozov Orlova
Elif Emre Zeynep Çağlar Ayşe Burak Şule Oğuz|Yılmaz Demir Çelik Şahin Öztürk Aydın Koç Arslan
Layla Omar Noura Khalid Yasmin Tariq Salma Hassan Amira|Haddad Khoury Mansour Al-Farsi Nasser Saleh Rahman
Shirin Dariush Parisa Kamran Leila Arash Roya|Tehrani Hosseini Karimi Ahmadi Moradi Rostami
Noa Itai Tamar Yonatan Shira Eitan Michal|Cohen Levi Mizrahi Friedman Peretz Biton
Priya Arjun Ananya Rohan Kavya Vikram Meera Aditya Lakshmi|Sharma Patel Iyer Reddy Banerjee Nair Kulkarni Singh
Ayesha Bilal Fatima Imran Zainab Usman Hira|Khan Malik Qureshi Chaudhry Siddiqui Baig
Nimali Kasun Tharushi Ruwan Dilini Chamara|Perera Fernando Jayasinghe Wickramasinghe Bandara
Mei Wei Xiulan Jun Lihua Hao Yan Ming|Wang Li Zhang Chen Liu Huang Zhao Zhou
Yuki Haruto Sakura Ren Aiko Kenji Hina Takumi|Sato Suzuki Takahashi Tanaka Watanabe Yamamoto Kobayashi
Ji-woo Min-jun Seo-yeon Do-yun Ha-eun Joon-ho|Kim Lee Park Choi Jung Kang
Linh Minh Hương Đức Thảo Quang Ngọc|Nguyễn Trần Lê Phạm Hoàng Đặng Bùi
Malee Somchai Ploy Anan Kanya Niran|Srisai Wongsawat Chaiyasit Rattanakul Thongchai
Putri Budi Siti Agus Dewi Rizky Wayan|Santoso Wijaya Hartono Siregar Kusuma Lestari
Marisol Jose Liwayway Ramon Luz Emilio|Dela-Cruz Reyes Bautista Mendoza Aquino Villanueva
Amara Chidi Ngozi Emeka Adaeze Obinna Folake Tunde|Okafor Adeyemi Eze Balogun Okonkwo Nwosu
Akosua Kwame Abena Kofi Efua Yaw|Mensah Owusu Boateng Asante Addo Appiah
Wanjiru Kamau Achieng Otieno Njeri Kipchoge|Mwangi Odhiambo Kariuki Kimani Wambui Chebet
Thandiwe Sipho Nomvula Themba Lerato Bongani|Dlamini Nkosi Mokoena Khumalo Zulu Molefe
Selam Abel Hiwot Dawit Meron Yonas|Tesfaye Bekele Alemu Girma Haile Abebe
Mariana Thiago Yara Caio Luana Rafael|Oliveira Souza Barbosa Cardoso Ribeiro Nascimento
Valentina Santiago Camila Joaquín Ximena Emiliano|Hernández Ramírez Quispe Rojas Mamani Cárdenas Peña
Aroha Tāne Mere Wiremu Anahera Nīkau|Ngata Parata Tamihana Rangi Waititi Kereama
Leilani Keanu Moana Kai Sina Tavita|Kealoha Kahale Tuilagi Faleolo Mahoe
Jasmine Tyler Destiny Marcus Brianna Logan Savannah Ethan|Johnson Williams Brooks Jackson Carter Coleman Hayes
""".strip()
CULTURES = tuple(
    (tuple(first.split()), tuple(last.split())) for first, last in (line.split("|") for line in _CULTURES.splitlines())
)
#: One client in so many is called otherwise than a first and a last name of one word each.
ODD_EVERY = 25
#: First name, last name, or the whole name of who has neither: one name, a title, a company, family names of several
#: words, alphabets from right to left, and names as long as they get.
ODD = (
    ("", "", "Sukarno"),
    ("Gabriela", "García Márquez", ""),
    ("", "", "Dr. Amara Okafor"),
    ("ليلى", "حداد", ""),
    ("", "", "Harbour View Apartments Ltd"),
    ("Jean-Baptiste", "van der Meer", ""),
    ("", "", "Moss, Mrs Fay"),
    ("נועה", "כהן", ""),
    ("Teller", "", ""),
    ("María de los Ángeles Guadalupe", "Fernández de Córdoba y Álvarez de las Asturias-Bohorques", ""),
    ("", "", "Thiri"),
    ("Anne Marie", "O’Sullivan Beare", ""),
    ("", "", "The Ormsby Family"),
    ("فاطمة الزهراء", "بن عبد الرحمن", ""),
)
# Letters that no decomposition turns into ASCII.
_ASCII = str.maketrans({"ł": "l", "ø": "o", "đ": "d", "ß": "ss", "ı": "i", "æ": "ae", "’": "", " ": "-"})


class ChannelConsents(NamedTuple):
    email: bool
    sms: bool


#: By the first of the first names of a culture; of the others it is not on record.
LANGUAGES = {"Élodie": "fr", "Sofía": "es", "Lena": "de", "Valentina": "es", "Marisol": "es"}
CONSENTS = (
    ChannelConsents(True, False),
    ChannelConsents(False, True),
    ChannelConsents(True, True),
    ChannelConsents(False, False),
)
REASONS = ("The address or number doesn’t exist.", "Complained about a message.", "Asked by phone to be left alone.")


class Person(NamedTuple):
    first_name: str
    last_name: str
    #: Both of them, or the whole name of who has neither.
    name: str
    email: str | None
    phone: str | None
    #: A code; None where none is on record, as for most.
    language: str | None
    is_active: bool
    #: One for each topic, in their order.
    consents: tuple[ChannelConsents, ...]
    #: Why their addresses are suppressed; empty for nearly everyone.
    suppressed: str


@dataclass(frozen=True)
class Text:
    """A notification. It does not use a channel whose body is empty."""

    topic: str
    subject: str
    email: str = ""
    sms: str = ""
    #: In other languages, by language; one of them without an SMS, as happens.
    others: Mapping[str, Texts] = field(default_factory=dict)


def invent(*, count: int, seed: int, topics: int) -> Iterator[Person]:
    """`count` invented clients, one at a time. The same seed gives the same ones, whatever the count."""
    chance = random.Random(seed)
    for number in range(count):
        yield _person(chance, number, topics)


def _person(chance: random.Random, number: int, topics: int) -> Person:
    firsts, lasts = chance.choice(CULTURES)
    language = LANGUAGES.get(firsts[0])
    first, last, whole = chance.choice(firsts), chance.choice(lasts), ""
    if number % ODD_EVERY == ODD_EVERY - 1:
        first, last, whole = ODD[number // ODD_EVERY % len(ODD)]
    name = whole or " ".join(part for part in (first, last) if part)
    consents = tuple(chance.choice(CONSENTS) for _ in range(topics))
    has_email = _has_address(chance, any(consent.email for consent in consents))
    has_phone = _has_address(chance, any(consent.sms for consent in consents)) or not has_email
    return Person(
        first_name=first,
        last_name=last,
        name=name,
        email=f"{_mailbox(name if whole else first, last)}.{number + 1}@{_domain(number, chance.choice(DOMAINS))}"
        if has_email
        else None,
        phone=phone_number(number) if has_phone else None,
        language=language,
        is_active=chance.random() >= 0.02,
        consents=consents,
        suppressed=chance.choice(REASONS) if chance.random() < 0.01 else "",
    )


def _has_address(chance: random.Random, is_wanted: bool) -> bool:
    # As in any real list, a few agreed to a channel that they gave no address for.
    return chance.random() < (0.97 if is_wanted else 0.6)


def _domain(number: int, own: str) -> str:
    """That of the office where the client with this number works; `own` for those who work in none."""
    office, place = divmod(number, OFFICE_EVERY)
    return OFFICES[office % len(OFFICES)] if place < COLLEAGUES else own


def _mailbox(*names: str) -> str:
    """What stands before the number; "client" for a name in another alphabet."""
    return ".".join(filter(None, (ascii_letters(re.sub(r"[.,]", "", name)).strip("-") for name in names))) or "client"


def ascii_letters(name: str) -> str:
    plain = unicodedata.normalize("NFKD", name.lower().translate(_ASCII))
    return "".join(char for char in plain if char.isascii())


def phone_number(number: int) -> str:
    """The number of the client with this number; no two share one."""
    if number < _FICTIONAL:
        line, area = divmod(number, len(AREA_CODES))
        return f"+1{AREA_CODES[area]}55501{line:02}"
    return f"+999{number:09}"


TEXTS = (
    Text(
        topic="listings",
        subject='Three new listings this week, {{ first_name | "neighbour" }}',
        email="""Dear {{ name }},

Three homes near {{ town | "you" }} came onto our books this week:

- **A two-bedroom flat by the river**, with a south-facing balcony
- **A terraced house near the station**, newly insulated
- **A cottage with an orchard**, twenty minutes from town

Viewings start on *Saturday at ten*. Reply to this e-mail to book a place.

The budget that we know of: {{ budget | "none yet" }}. Tell us if it has changed.

We’ll write again when there is more news about {{ topic }}.""",
        sms='Hello {{ first_name | "there" }}, three new listings near {{ town | "you" }}. Viewings start Saturday '
        "at 10. Reply to join.",
        others={
            "de": Texts(
                subject='{{ first_name | "Neu" }}: drei neue Angebote in dieser Woche',
                email_body="""Guten Tag, {{ name }},

in dieser Woche haben wir rund um {{ town | "Ihren Wohnort" }} drei Objekte neu aufgenommen:

- **Eine Zweizimmerwohnung am Fluss** mit Südbalkon
- **Ein Reihenhaus am Bahnhof**, frisch gedämmt
- **Ein Landhaus mit Obstgarten**, zwanzig Minuten von der Stadt

Die Besichtigungen beginnen am *Samstag um zehn Uhr*. Antworten Sie auf diese E-Mail, um einen Platz zu reservieren.

Ihr Budget, soweit wir wissen: {{ budget | "noch keines" }}. Sagen Sie uns, wenn es sich geändert hat.""",
                sms_body='{{ first_name | "Guten Tag" }}, drei neue Angebote. Ihre Suche: {{ town | "alle Orte" }}. '
                "Besichtigung ab Samstag, 10 Uhr. Zum Anmelden antworten.",
            ),
            "fr": Texts(
                subject='{{ first_name | "Bonjour" }}, trois nouvelles annonces cette semaine',
                email_body="""Bonjour {{ name }},

Trois biens près de {{ town | "chez vous" }} sont entrés dans notre catalogue cette semaine :

- **Un deux-pièces au bord de la rivière**, avec balcon plein sud
- **Une maison mitoyenne près de la gare**, isolation refaite
- **Une maison de campagne avec verger**, à vingt minutes de la ville

Les visites commencent *samedi à dix heures*. Répondez à cet e-mail pour réserver.

Votre budget, d’après nos notes : {{ budget | "aucun pour l’instant" }}. Dites-nous s’il a changé.""",
                sms_body='{{ first_name | "Bonjour" }}, trois biens près de {{ town | "chez vous" }}. Visites samedi '
                "à 10 h. Répondez pour venir.",
            ),
            "es": Texts(
                subject='{{ first_name | "Hola" }}, tres novedades esta semana',
                email_body="""Hola, {{ name }}:

Esta semana hemos incorporado tres viviendas cerca de {{ town | "usted" }}:

- **Un piso de dos habitaciones junto al río**, con balcón al sur
- **Una casa adosada cerca de la estación**, recién aislada
- **Una casa de campo con huerto**, a veinte minutos de la ciudad

Las visitas empiezan *el sábado a las diez*. Responda a este correo para reservar.

Su presupuesto, según nuestras notas: {{ budget | "ninguno todavía" }}. Díganos si ha cambiado.""",
            ),
        },
    ),
    Text(
        topic="listings",
        subject="The price of 14 Mill Lane has changed",
        email="""Dear {{ name }},

The owners of 14 Mill Lane have lowered their price by five per cent. If you liked the house but not \
the price, this is the week to look again.""",
    ),
    Text(
        topic="listings",
        subject="Open house today",
        sms='Hello {{ first_name | "there" }}, open house today at 3 Harbour View, 4 to 7 pm. No appointment needed.',
    ),
    Text(
        topic="offerings",
        subject="A free valuation for our clients",
        email="""Dear {{ name }},

Until the end of the month we are offering a free valuation of your home, with a written report \
within five working days.

Reply to this e-mail with two dates that suit you, and we’ll confirm one of them.""",
        sms='{{ first_name | "Hello" }}, have your home valued free of charge until the end of the month. Reply YES.',
    ),
    Text(
        topic="offerings",
        subject="Fixed letting fees from January",
        email="""Dear {{ name }},

From January we will let and manage your home for a fixed monthly fee, with no charge while it \
is empty. The whole price list fits on one page, and we’ll be glad to send it to you.""",
        sms='{{ first_name | "Hello" }}, from January we will let and manage your home for a fixed monthly fee. '
        "Reply LIST.",
    ),
)
