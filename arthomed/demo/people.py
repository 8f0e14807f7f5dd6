"""The patients of the demo clinic's day, by doctor: who comes, why, and what happens to them."""

from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from arthomed.payments.rules import Method


class Story(StrEnum):
    """What has happened to an appointment by now."""

    DONE = "done"
    PAID_IN_PART = "done, paid in part"
    PAID_WRONG = "done, with a payment that was corrected"
    NO_SHOW = "no-show"
    STARTED = "in progress"
    CALLED = "called"
    SKIPPED = "skipped"
    WAITING = "waiting"
    EARLY = "waiting before its time, with priority"
    EXPECTED = "expected"
    PENDING = "pending"
    REFUNDED = "cancelled by the clinic, with a refund"
    CANCELLED = "cancelled by the patient"
    REJECTED = "rejected"
    WALK_IN = "walk-in with a slot"
    OVERFLOW = "walk-in when the day is full"


@dataclass(frozen=True, slots=True)
class Person:
    name: str
    gender: str
    age: int
    reason: str
    story: Story
    method: Method = Method.CASH
    parent: str = ""
    """The name of the patient whose family this child belongs to."""

    def born(self, today: date) -> date:
        """A day of birth that gives this age today."""
        return date(today.year - self.age - 1, 7 + self.age % 5, 1 + self.age % 27)


@dataclass(frozen=True, slots=True)
class Practice:
    """The patients of a doctor in the order of their times, and what the doctor writes about those treated."""

    doctor: str
    notes: str
    prescription: str
    people: tuple[Person, ...]
    seats: int = 1
    """In an extra slot."""


_F, _M, _O = "female", "male", "other"
PRACTICES = (
    Practice(
        "9000000011",
        "Viral fever, throat red, lungs clear. Rest and fluids.",
        "Paracetamol 650 mg, three times a day, three days",
        (
            Person("Lakshmi Subramaniam", _F, 62, "Blood pressure check", Story.DONE),
            Person("राजेश शर्मा", _M, 45, "Fever and body ache for three days", Story.DONE, Method.UPI),
            Person("Imran Shaikh", _M, 29, "Cough that does not go away", Story.PAID_IN_PART),
            Person("Kamala Devi", _F, 71, "Diabetes, three-monthly review", Story.STARTED, Method.CARD),
            Person("Harpreet Singh", _M, 38, "Back pain after lifting", Story.CALLED),
            Person("सावित्री कुलकर्णी", _F, 78, "Giddiness since the morning", Story.EARLY),
            Person("Joseph D'Souza", _M, 54, "Results of blood tests", Story.EXPECTED),
            Person("Neha Agarwal", _F, 24, "Migraine twice a week", Story.EXPECTED),
            Person("Mohammed Rafi", _M, 33, "Medical certificate", Story.PENDING),
            Person("Bharati Joshi", _F, 47, "Acidity after meals", Story.REJECTED),
        ),
    ),
    Practice(
        "9000000012",
        "ECG normal, blood pressure 138/86. Continue, walk daily.",
        "Amlodipine 5 mg, once a day, thirty days",
        (
            Person("Venkatesh Prasad", _M, 66, "Follow-up after angioplasty", Story.DONE, Method.CARD),
            Person("अनिल देशपांडे", _M, 58, "Chest tightness on stairs", Story.NO_SHOW),
            Person("Ritu Malhotra", _F, 51, "Palpitations at night", Story.PAID_WRONG, Method.UPI),
            Person("Gurmeet Kaur", _F, 63, "High cholesterol", Story.STARTED),
            Person("Subhash Chandra Bose Mukherjee", _M, 70, "Breathless when lying flat", Story.WAITING),
            Person("Farida Merchant", _F, 56, "ECG before an operation", Story.EXPECTED),
            Person("Prakash Hegde", _M, 49, "Second opinion", Story.PENDING),
            Person("Sushila Yadav", _F, 68, "Swollen feet", Story.REFUNDED),
        ),
    ),
    Practice(
        "9000000013",
        "Growth normal, ears and throat clear. Vaccination given.",
        "Paracetamol drops if there is fever tonight",
        (
            Person("Aarav Mehta", _M, 4, "Vaccination", Story.DONE, parent="Pooja Mehta"),
            Person("ईशा पाटील", _F, 2, "Fever since last night", Story.DONE, Method.UPI),
            Person("Zoya Ansari", _F, 7, "Ear ache", Story.DONE, Method.OTHER, parent="Nasreen Ansari"),
            Person("Kabir Nanda", _M, 10, "Wheezing after sports", Story.SKIPPED),
            Person("Diya Mehta", _F, 1, "Nine-month check", Story.STARTED, parent="Pooja Mehta"),
            Person("Aditya Rao", _M, 6, "Rash on both arms", Story.WAITING),
            Person("Mary Thomas", _F, 3, "Does not eat well", Story.WAITING),
            Person("Ananya Chatterjee", _F, 12, "School fitness certificate", Story.EXPECTED),
            Person("Vihaan Gupta", _M, 8, "Stomach ache", Story.CANCELLED),
            Person("Rehan Qureshi", _M, 5, "Fell from a swing, elbow hurts", Story.WALK_IN),
        ),
        seats=2,
    ),
    Practice(
        "9000000014",
        "Movement improved, no swelling. Exercises continue.",
        "Physiotherapy twice a week; diclofenac gel",
        (
            Person("Manoj Tiwari", _M, 41, "Knee pain when squatting", Story.DONE, Method.UPI),
            Person("सुनीता पवार", _F, 60, "Frozen shoulder", Story.DONE),
            Person("Deepak Chauhan", _M, 27, "Plaster removal", Story.DONE, Method.CARD),
            Person("Chinnamma Varghese", _F, 74, "Hip pain, walks with a stick", Story.CALLED),
            Person("Rohit Saxena", _M, 35, "Ankle sprain", Story.EXPECTED),
            Person("Asha Bhosale", _F, 44, "Numb fingers", Story.PENDING),
        ),
    ),
    Practice(
        "9000000015",
        "Eczema of both hands, no infection. Avoid detergents.",
        "Mometasone cream once a day, two weeks",
        (
            Person("Pooja Reddy", _F, 26, "Acne", Story.DONE, Method.UPI),
            Person("Karthik Balasubramanian", _M, 31, "Hair loss", Story.DONE),
            Person("मीनाक्षी गोखले", _F, 52, "Itching hands", Story.STARTED),
            Person("Jaspal Gill", _O, 22, "Mole that has grown", Story.WAITING),
            Person("Shreya Banerjee", _F, 19, "Follow-up for eczema", Story.EXPECTED),
            Person("Abdul Karim", _M, 64, "Wound that does not heal", Story.OVERFLOW),
        ),
    ),
)
