"""How frequent a word is, in five bands; the random-word control takes its words from the band of the word that it replaces.

The bands are those of counts in WikiText-2's test part, the Lee corpus and EWT's development part, 0.3 million words in all:
coarse, and rough below 10 in a million.
"""

from __future__ import annotations

from types import MappingProxyType

BANDS = {
    5: (  # 1,000 in a million or more
        "a about after against all also an and are as at be been before but by city during first for from had has have "
        "he him his if in into is it its more most new no north not of on one only or other out over people s said says "
        "some than that the their there they this three time to two us war was we were when which while who will with "
        "world would year"
    ),
    4: (  # 200 or more
        "able again air album along already always any April area August away back band bank because began behind "
        "believed best between big boats both called came can case center century children China class close coach come "
        "company could country day days December did different do doctor does down each early eight end every face "
        "family far February felt few film find fire five food force found four front game games gave go going good "
        "government great group head heavy help her himself history home hospital hour hours house how island January "
        "Japan job John July June just know known land large last late least left life like line little London long "
        "looking lost made man many March match may me meeting miles month months morning moved much music my name near "
        "need never night November now number October office often old our own park part party place play played player "
        "point possible power probably public put radio report result return returned right river road same say saying "
        "school sea see seen sent September service seven several she ship short should show side six small so soldiers "
        "start started state still stone storm street such system take taken team test then these think those thought "
        "through times told too took town under until used very want water way week went what where without won work "
        "works writing wrote years young your"
    ),
    3: (  # 50 or more
        "accused actor actors adopted afternoon ago agreed airport alone arrived art artist artists asked bad beautiful "
        "begin beginning begins begun believe believes black blue boat body book born Boston boy break breaking bridge "
        "bring broke broken brother brought bus bush business cabinet call calling calls calm Canada capable captain "
        "car care carried carry carrying change Chicago child church claim claimed claims clean closed cold comes "
        "coming costs crossed cup cut dark daughter David difficult doing drive easy eggs engineer engines evening "
        "everything excellent eye fact fast father feel field finding finds flight flights floor flying football France "
        "fresh Friday friend friendly friends full garden George glass guard hall hand happy hard health heard helped "
        "Henry hidden hope horse hot hotel houses huge idea ideas India issue Italy Jack James Jane jobs kept key kind "
        "king knew law leave leaves leaving level library live lives lord losing lot love magazine manager Mark market "
        "markets married Mary mean meet member met Mexico might minute minutes Monday money moon mother move movie "
        "moving museum must needed needs nine note notes nothing o ocean offer officer officers offices older open "
        "opened opening paid painting parties Paul person Peter phone pizza plan plans players playing poem poems "
        "poetry poor price prince problem program project projects question quick rain ran rather read ready reason "
        "reasons red reports research responsible rest returning returns ring Rome roof room rose run running runs "
        "Sarah Saturday saw schools seeing showed shows sister slow smaller sold son song songs soon sour Spain "
        "speaking speech spent stands star starting starts station stay stood stop stopped store storms story student "
        "students study suffered summer Sunday table takes taking talk talks tax ten thank thanks theater thing "
        "thinking tomorrow travel trees trip true twenty unable usually valley Vienna visit visited voice walk wall "
        "wanted wants weather weeks white whole why wife wind woman word worked working written yesterday"
    ),
    2: (  # 10 or more
        "absolutely actress afraid Alice amazing angry answer answers apple arrive arrives arriving aunt autumn aware "
        "bag banks bear bears bed bedroom beer believing belong belt Berlin bike bird birds bitter books boring bottle "
        "bought bowl box boxes Brazil breakfast breaks bringing brings brothers brown buses busy buy camera cards "
        "carries cars castle cat cats chair cheap chicken churches claiming classes clock closing coaches coins "
        "complained concert concerts cool counter cow dancing Daniel delicious desk dinner doctors dog dogs dollars "
        "door drawing dress drink drinking drinks driven driver drives driving drove drum drums dry duck eat eating egg "
        "Egypt empty engine enjoy enjoyed enjoying everybody everyone exam excited expensive false famous fantastic "
        "farmer farmers fed feed feeding feeling feels festival fields fish fixed flew floors flower flowers flown fly "
        "fog forest forests fox garage gardens gate girl glad goes golf gone grandfather gray green guards guitar guy "
        "hat heights Helen helping helps herself hide hiding honest hoped hopes hoping horrible hospitals hung hungry "
        "hunter hunters hurt husband impossible indeed insisted interested joke journey judge judges Julia keys kitchen "
        "knife knowing knows ladder lady lake lakes lasted Laura lawyer lawyers learned lesson lessons letter letters "
        "lights liked lions lived looked lose loses loved lovely loves lunch magazines mall malls managers map maps "
        "matches meat meetings meets message messages mirror moment moves movies museums needing nervous newspaper "
        "newspapers nobody novel nurse offers opens orange paint painted paper parent Paris parks paying pen perfect "
        "piano picture pilot pilots planted plate plates plays politics pond preferred prefers protected proud queen "
        "quiet rarely reading reads religion reminded reporters restaurant restaurants rests rice rich ride rings "
        "rivers roofs rope roses sad sailors salt Sam sang sat satisfied science scientist scientists seas sees sell "
        "selling sells shelter shirt sick sing singer singing sink sit sits sitting sleep sleeping smart snow soldier "
        "speak speaks spoke spoken spring stand standing stations stayed staying stopping stops stores stories strange "
        "succeeded suit sun sung surprised sweet swimming tables talked talking tall tasty taught teacher teachers "
        "tennis terrible tests theaters thinks Thursday ticket tickets tiny Tokyo Tom train traveled traveling travels "
        "tree tries trips truck trucks Tuesday twelve uncle upset visiting wait waited waiting walked walking walks "
        "walls wanting warm watch watched watching wedding Wednesday wet window windows wine winter wonderful wore "
        "write writer writers writes yard yards yellow yes"
    ),
    1: (  # fewer
        "airports Anna apologized apples asleep ate attic awful bags banana bananas basement basket baskets bathroom "
        "bathrooms bedrooms beds belongs belts bench benches bikes borrowed bottles bowls brave bread bride bucket "
        "buckets builder builders bushes businessman butter buying buys cabinets cake cakes camel camels cameras candle "
        "candles captains carrot carrots castles chairs cheerful cheese chess chickens classroom classrooms cleaned "
        "cleaning cleans clever clocks closes coat coats coffee coin complain complaining cook cooked cookie cookies "
        "cooking cooks couch counters cows cruel cups dance danced dancer dancers dances deer depends desks dirty doors "
        "drank drawer dreadful dreamed dresses drivers drunk Dublin ducks eaten eats Emma engineers enjoys exams feeds "
        "fence fences festivals fisherman fix fixes fixing flies flute forgot foxes funny gates gentle gentleman ghosts "
        "glasses goat goats grandmother greedy guitars halls hammer hats hid hides hike horses hotels jacket jackets "
        "jar jars jealous journeys juice Kate kitchens kitten kittens knives lamp lamps laugh laughed laughing lazy "
        "lemon lemonade lemons libraries likes liking lilies lily lion listened lonely loud loving Lucy Madrid Maria "
        "math mild milk mirrors monkey monkeys neighbor noise novels nurses oceans oranges painter painters paints "
        "parked parrot parrots pasta peach peaches pear pears pens phones pie pies pig pigs pillow pillows polite ponds "
        "pony postcards potato potatoes prefer preferring princess puppies puppy rabbit rabbits radios rainy rented "
        "reporter rested resting rides rode ropes rude sailor salad salty sandwich sandwiches selfish sheep shelf "
        "shelves shirts shovel singers sings sinks slept snake snakes soda soup speeches spiders spoon spoons stays "
        "stealing stew stupid sugar suits sunny surely swam swim tail tea teach thanked thirsty thunder tired tomato "
        "tomatoes towel towels toy toys tractor tractors trumpet valleys violin visits wagon wagons waits wallet "
        "wallets wash washed washes washing watches weddings windy wolf wolves worried"
    ),
}  # fmt: skip
"""Band to words of the lexicon and of its frames, and other frequent ones, parted by blanks."""

_BAND_OF = MappingProxyType({word: band for band, words in BANDS.items() for word in words.split()})
_WORDS_IN = MappingProxyType({band: tuple(word for word in words.split() if word.islower()) for band, words in BANDS.items()})


def band_of(word: str) -> int:
    """Band of a word, from 1 (rare) to 5; 1 where it is not listed."""
    return _BAND_OF.get(word, 1)


def words_in(band: int) -> tuple[str, ...]:
    """The words of a band that are no names."""
    return _WORDS_IN[band]
