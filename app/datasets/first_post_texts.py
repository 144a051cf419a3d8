"""The posts that a fresh dataset starts with, so that no page starts empty."""

from __future__ import annotations

from typing import Final

CELEBRITY_TEXTS: Final = (
    "Rehearsals are done. See you all on Friday, bring your voices.",
    "We just passed the finish line of a two-year project. I cannot stop smiling.",
    "Thank you for 19 sold-out nights. I still do not believe it.",
    "New single at midnight. My mother has already heard it and she approves.",
    "Somebody in row four held up a sign with my grandmother's name. I lost it.",
    "The book is finished. All 412 pages of it. Now I sleep.",
    "Our foundation opened its third school today. Proud of this team.",
    "Training at five in the morning again. The coffee machine knows my name by now.",
    "We are going on tour! Cities and dates tomorrow.",
    "I said I would never do a sequel. Well.",
    "Long flight, window seat, the whole of the Alps in the evening sun.",
    "Question for all of you: which song should we bring back this year?",
    "Honoured to carry the flag next week. I practised with a broom.",
    "The new film opens in eleven days. I have seen it twice and cried twice.",
    "Today I met the nurse who was there when I was born. What a day.",
    "Match day. Nothing else exists until ten tonight.",
    "You asked for the recipe. It is three ingredients and a lot of patience.",
    "To everyone who waited in the rain: I saw you. Thank you.",
    "First day on set, and I have already walked into the wrong trailer.",
    "Five years ago I played for eleven people and a dog. The dog left early.",
)

POPULAR_TEXTS: Final = (
    "Wrote down how we moved a million rows without a maintenance window. Link in my profile.",
    "The night market on the harbour is back. Go for the dumplings, stay for the band.",
    "Unpopular opinion: the best keyboard is the one you stop noticing.",
    "Three hours of debugging. It was a time zone. It is always a time zone.",
    "My sourdough finally rose. I have told everyone I know, and now you.",
    "Tonight at eight I stream the whole restoration of this old radio.",
    "A short thread about city trees and why they are worth more than they cost.",
    "Season two of the podcast is recorded. Guests from nine countries.",
    "If your map has no scale, it is a drawing.",
    "Free tickets for the open rehearsal, first come first served.",
    "I photographed the same street corner every day for a year. Here is what changed.",
    "Today in class a student asked why zero is even. Best hour of the week.",
    "Trail report: the upper path is open again, snow only in the shade.",
    "Reading list for the long weekend, all of them under 200 pages.",
    "We found a leak in the dam of beavers. They had fixed it before we had unpacked.",
    "The comet is visible just before sunrise, low in the east. No telescope needed.",
    "Rule of thumb for hot days: if the tarmac hurts your hand, it hurts their paws.",
    "Our little team got the grant! Four more years of counting seabirds.",
    "The library lends out sewing machines now. This is what the future should look like.",
    "Chess club at noon. Beginners win more often than you think.",
)

REGULAR_TEXTS: Final = (
    "Good morning from the slowest train in the country.",
    "Does anybody have a bicycle pump near the old bridge?",
    "First tomato of the year. One. But still.",
    "Moved the desk to the window. Why did I wait two years?",
    "My daughter says the moon follows our car. I have no better theory.",
    "Lunch was leftovers and it was the best meal of the week.",
    "Lost a blue glove somewhere between the bakery and the bus stop.",
    "Finally understood recursion. To celebrate, I finally understood recursion.",
    "The neighbour's cat has decided to live with us. Nobody asked us.",
    "Rain all day, soup all day, no complaints.",
    "Anyone up for a run by the river on Sunday?",
    "New glasses. The trees have leaves! Individual ones!",
    "I fixed the tap myself. It drips in a different rhythm now.",
    "Second coffee. We do not count the first.",
    "Started learning the accordion. Sorry to everyone in the building.",
    "That moment when the whole bus laughs at the same thing.",
    "Exams are over. Sleeping until Thursday.",
    "Grandpa sent his first text message. It says: hello.",
    "Planted six trees with the class today. One for each table.",
    "The bakery was out of everything except the thing I came for. Good day.",
)
