"""The synthetic world's vocabulary: tastes, their brands, themes and products, phrases.

Everything here is invented. A theme's products share words across the two domains, mostly
but not always, so text bridges the domains where shared users are few.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Theme:
    name: str  # how reviews speak of it
    products: tuple[tuple[str, ...], tuple[str, ...]]  # food, kitchen


@dataclass(frozen=True)
class Taste:
    name: str
    brands: tuple[str, str]  # each sells in both domains
    aisles: tuple[str, str]  # last part of the category path: food, kitchen
    themes: tuple[Theme, ...]


def _theme(line: str) -> Theme:
    """From "name: food; food; ... | kitchen; kitchen; ..."."""
    name, products = line.split(": ", maxsplit=1)
    food, kitchen = (tuple(half.strip().split("; ")) for half in products.split("|"))
    return Theme(name.strip(), (food, kitchen))


def _taste(
    name: str, brands: tuple[str, str], food_aisle: str, kitchen_aisle: str, lines: str
) -> Taste:
    text = " ".join(lines.split())
    themes = tuple(_theme(line) for line in text.split(" / "))
    return Taste(name, brands, (food_aisle, kitchen_aisle), themes)


TASTES = (
    _taste(
        "Japanese cooking",
        ("Hoshi Table", "Umi & Co"),
        "Pantry Staples",
        "Asian Cookware",
        """
        sushi: Sushi Rice Short Grain; Roasted Nori Sushi Sheets; Seasoned Sushi Vinegar; Pickled
        Pink Ginger | Bamboo Sushi Rolling Mat; Sushi Making Kit; Yanagiba Sushi Knife; Wooden
        Hangiri Rice Tub /
        ramen: Fresh Style Ramen Noodles; Tonkotsu Ramen Broth Concentrate; Spicy Miso Ramen Bowls;
        Dried Wood Ear Mushrooms | Ceramic Ramen Bowl Set; Ramen Spoons Melamine; Noodle Strainer
        Basket; Ramen Egg Marinating Box /
        matcha: Ceremonial Matcha Powder; Matcha Latte Mix; Culinary Matcha Green Tea; Matcha Mochi
        Candy | Matcha Bamboo Whisk; Matcha Bowl Chawan; Matcha Sifter with Scoop; Whisk Holder
        Porcelain /
        bento: Furikake Rice Seasoning; Bento Rice Topping Variety; Inari Tofu Pockets; Panda
        Shaped Rice Crackers | Bento Lunch Box Two Tier; Bento Rice Mold Set; Egg Mold Bear and
        Rabbit; Bento Chopsticks with Case /
        dashi and miso: White Miso Paste; Dashi Stock Packets; Bonito Flakes Katsuobushi; Dried
        Kombu Kelp | Miso Soup Bowls Lacquer; Miso Muddler Whisk; Donabe Clay Pot; Bonito Shaver
        Box
        """,
    ),
    _taste(
        "Italian cooking",
        ("Casa Belforte", "Nonna Tilda"),
        "Pasta & Sauces",
        "Pasta Tools",
        """
        fresh pasta: Semolina Pasta Flour; Tipo 00 Pasta Flour; Bronze Cut Rigatoni Pasta; Egg
        Tagliatelle Nests | Pasta Machine Roller; Pasta Drying Rack; Ravioli Stamp Cutter Set;
        Gnocchi Board Beechwood /
        pizza: Neapolitan Pizza Flour; San Marzano Pizza Sauce; Pizza Crust Yeast; Sliced Pepperoni
        | Pizza Stone Cordierite; Aluminum Pizza Peel; Rocking Pizza Cutter; Dough Proofing Box /
        risotto: Arborio Risotto Rice; Carnaroli Rice; Dried Porcini Mushrooms; Saffron Risotto Mix
        | Risotto Pan Copper; Risotto Spoon with Hole; Parmesan Cheese Grater; Rice Storage Jar /
        olive oil: Extra Virgin Olive Oil; Balsamic Vinegar of Modena; Garlic Dipping Oil;
        Castelvetrano Olives | Olive Oil Dispenser Bottle; Oil and Vinegar Cruet Set; Bread Dipping
        Bowls; Olive Oil Sprayer Mister /
        pesto: Basil Pesto Genovese; Pine Nuts Raw; Sun Dried Tomato Pesto; Dried Sweet Basil |
        Marble Mortar and Pestle; Pesto Herb Mincer; Basil Herb Keeper; Mezzaluna Rocking Knife
        """,
    ),
    _taste(
        "Mexican cooking",
        ("Rancho Verano", "La Comalera"),
        "Latin Foods",
        "Specialty Cookware",
        """
        tortillas: Masa Harina Corn Flour; White Corn Tortillas; Tortilla Chips Stone Ground; Flour
        Tortilla Mix | Cast Iron Tortilla Press; Tortilla Warmer Pouch; Comal Griddle Pan; Tostada
        Fryer Basket /
        salsa: Salsa Verde Tomatillo; Jalapeño Salsa Picante; Chipotle Peppers in Adobo; Fire
        Roasted Tomatoes Diced | Molcajete Salsa Stone Bowl; Salsa Serving Dish Set; Chile Pepper
        Roaster; Tomato Chopper /
        tacos: Taco Seasoning Mix; Crunchy Taco Shells; Street Taco Sauce; Refried Black Beans |
        Taco Holder Stands; Taco Truck Plates; Taco Shell Maker Press; Lime Squeezer Cast Aluminum
        /
        mole and chiles: Mole Poblano Paste; Dried Ancho Chiles; Guajillo Chile Pods; Mexican
        Cinnamon Sticks | Chile Grinder Mill; Clay Mole Pot Cazuela; Wooden Molinillo Whisk; Chile
        Drying Rack /
        tamales: Corn Husks for Tamales; Tamale Masa Mix; Red Chile Tamale Sauce; Banana Leaves |
        Tamale Steamer Pot; Tamale Masa Spreader; Steamer Rack Insert; Vaporera Lid Tongs
        """,
    ),
    _taste(
        "Indian cooking",
        ("Rani Pantry", "Saffron Gate"),
        "Spices & Seasonings",
        "Spice Tools",
        """
        curry: Madras Curry Powder; Butter Chicken Curry Sauce; Coconut Milk for Curry; Fenugreek
        Leaves | Karahi Curry Pan; Copper Curry Serving Bowls; Balti Dish Set; Long Handle Ladle /
        masala spices: Garam Masala Blend; Whole Cumin Seeds; Green Cardamom Pods; Chaat Masala |
        Masala Dabba Spice Box; Masala Spice Grinder; Spice Roasting Pan; Brass Mortar Khal /
        dal: Toor Dal Split Peas; Red Lentils Masoor Dal; Ghee Clarified Butter; Urad Dal Black
        Gram | Dal Pressure Cooker; Dal Tadka Pan; Lentil Soaking Strainer; Whisk for Dal Mathani /
        naan and roti: Atta Whole Wheat Roti Flour; Garlic Naan Mix; Papadum Lentil Wafers; Nigella
        Seeds | Roti Tawa Flat Pan; Naan Tandoor Clay Insert; Roti Rolling Pin Belan; Flatbread
        Keeper Basket /
        chai: Masala Chai Loose Leaf; Chai Latte Concentrate; Jaggery Cane Sugar; Chai Spice Mix |
        Chai Glasses with Carrier; Chai Strainer Stainless; Saucepan Spouted Chai; Cutting Chai
        Cups
        """,
    ),
    _taste(
        "bread baking",
        ("Crumb & Crust Row", "Old Mill Lane"),
        "Baking Flours",
        "Bakeware",
        """
        sourdough: Sourdough Starter Culture; Bread Flour Unbleached; Dark Rye Sourdough Flour;
        Diastatic Malt Powder | Banneton Sourdough Basket; Sourdough Scoring Lame; Dutch Oven for
        Bread; Starter Jar with Thermometer /
        bagels: Barley Malt Syrup for Bagels; Everything Bagel Topping; High Gluten Bagel Flour;
        Poppy Seeds | Bagel Boiling Strainer; Bagel Slicer Guillotine; Bagel Baking Board; Dough
        Divider Ring /
        gluten free loaves: Gluten Free Bread Mix; Xanthan Gum; Almond Flour Gluten Free; Psyllium
        Husk Powder | Gluten Free Loaf Pan Narrow; Gluten Free Bread Machine; Silicone Bread Liner;
        Crumb Catching Cutting Board /
        whole grain: Wheat Berries Hard Red; Spelt Flour Whole Grain; Twelve Grain Cereal Blend;
        Flax Seeds Golden | Grain Mill Hand Crank; Whole Grain Storage Bucket; Flour Sifter Fine;
        Proofing Mat /
        focaccia: Focaccia Bread Mix; Rosemary Sea Salt; Instant Dry Yeast; Focaccia Herb Topping |
        Focaccia Pan Blue Steel; Dough Scraper Bench Knife; Focaccia Dimple Roller; Danish Dough
        Whisk
        """,
    ),
    _taste(
        "pastry and cakes",
        ("Maison Orme", "Sugar Alder"),
        "Dessert Baking",
        "Pastry Tools",
        """
        cupcakes: Vanilla Cupcake Mix; Buttercream Frosting; Rainbow Sprinkles; Cupcake Filling
        Lemon Curd | Cupcake Pan Nonstick; Cupcake Carrier; Piping Tips and Bags; Paper Baking Cups
        /
        macarons: Superfine Almond Flour for Macarons; French Macaron Kit Raspberry; Gel Food
        Color; Meringue Powder | Macaron Silicone Mat; Macaron Piping Bag Set; Baking Sheet Half
        Size; Macaron Display Tower /
        chocolate truffles: Couverture Chocolate Wafers; Dutch Process Cocoa; Truffle Filling
        Hazelnut; Cocoa Butter Wafers | Chocolate Truffle Mold; Chocolate Melting Pot; Dipping Fork
        Set; Truffle Candy Boxes /
        crème brûlée: Crème Brûlée Mix; Vanilla Beans Bourbon; Turbinado Sugar; Custard Powder |
        Crème Brûlée Torch; Custard Ramekins; Butane Canister; Brûlée Dish Set with Rack /
        fruit pies: Pie Filling Tart Cherry; Pie Crust Mix; Tapioca Starch; Apple Pie Spice | Pie
        Dish Ceramic; Pie Crust Shield; Rolling Pin with Rings; Pie Weights Ceramic
        """,
    ),
    _taste(
        "coffee",
        ("Dark Harbor Roasters", "Morning Quill Coffee"),
        "Coffee",
        "Coffee Makers",
        """
        espresso: Espresso Beans Dark Roast; Espresso Ground Italian; Decaf Espresso Beans; Vanilla
        Coffee Syrup | Espresso Tamper; Stovetop Espresso Maker; Milk Frothing Pitcher; Espresso
        Cups Double Wall /
        pour over: Ethiopian Single Origin Coffee; Light Roast Pour Over Coffee; Kenyan Coffee
        Beans; Oat Creamer | Pour Over Dripper Cone; Gooseneck Kettle; Pour Over Filters
        Unbleached; Coffee Scale with Timer /
        cold brew: Cold Brew Coffee Coarse Ground; Cold Brew Concentrate; Cold Brew Pitcher Packs;
        Chicory Root Blend | Cold Brew Maker Mason Jar; Cold Brew Keg; Nut Milk Mesh Strainer; Iced
        Coffee Tumbler /
        french press: French Roast Coffee Coarse; Sumatra Coffee Beans; Breakfast Blend Coffee; Raw
        Sugar Cubes | French Press Stainless; Burr Coffee Grinder; French Press Replacement Screen;
        Coffee Canister Airtight /
        instant and pods: Coffee Pods Variety; Instant Coffee Freeze Dried; Hazelnut Coffee Pods;
        Powdered Coffee Creamer | Coffee Pod Carousel; Reusable Coffee Pod Filter; Descaling
        Tablets; Single Serve Coffee Mug
        """,
    ),
    _taste(
        "tea",
        ("Leaf & Kettle Row", "Dovecote Tea"),
        "Tea",
        "Teaware",
        """
        green tea: Sencha Green Tea Leaves; Jasmine Green Tea Pearls; Genmaicha; Green Tea Bags
        Organic | Green Tea Glass Teapot; Tea Thermometer; Yunomi Green Tea Cups; Kyusu Side Handle
        Pot /
        oolong and pu-erh: Oolong Tea Tieguanyin; Pu-erh Tea Cake; Da Hong Pao Oolong; Aged White
        Tea Brick | Gongfu Oolong Tea Tray; Gaiwan Porcelain; Pu-erh Tea Knife; Fairness Pitcher
        Glass /
        english breakfast: English Breakfast Tea Bags; Earl Grey Loose Tea; Scottish Shortbread;
        Clotted Cream | English Teapot Bone China; Tea Cozy Quilted; Tea Cup and Saucer Set; Three
        Tier Scone Stand /
        herbal infusions: Chamomile Herbal Tea; Peppermint Leaf Herbal; Hibiscus Flowers Dried;
        Rooibos Herbal Blend | Herbal Tea Infuser Ball; Infuser Mug with Lid; Herbal Tea Storage
        Tin; Honey Dipper Wood /
        iced tea: Iced Tea Family Bags; Peach Iced Tea Mix; Sweet Tea Concentrate; Lemonade Iced
        Tea Powder | Iced Tea Maker; Beverage Dispenser with Spigot; Iced Tea Spoons Long; Glass
        Straws with Brush
        """,
    ),
    _taste(
        "grilling and smoking",
        ("Ember Oak", "Smokestack Hill"),
        "Sauces & Rubs",
        "Outdoor Cooking",
        """
        barbecue: Hickory Barbecue Sauce; Kansas City BBQ Rub; Carolina Mustard Barbecue Sauce;
        Barbecue Baked Beans | BBQ Tool Set; Barbecue Basting Mop; BBQ Claws Meat Shredder; Grill
        Apron Canvas /
        smoked brisket: Brisket Rub Coffee; Beef Injection Marinade; Texas Brisket Seasoning; Beef
        Tallow | Brisket Slicing Knife; Pellet Smoker Tube; Pink Butcher Paper; Wireless Meat
        Thermometer /
        burgers: Burger Seasoning; Pickle Chips for Burgers; Burger Sauce; Smoked Cheddar Powder |
        Burger Press Cast Iron; Smash Burger Spatula; Burger Baskets with Liners; Griddle Scraper /
        grilled seafood: Cedar Salmon Seasoning; Seafood Boil Spice; Lemon Pepper Fish Rub;
        Cocktail Sauce | Cedar Grilling Planks; Fish Grilling Basket; Seafood Crab Crackers; Oyster
        Shucking Knife /
        chicken wings: Buffalo Wing Sauce; Wing Rub Garlic Parmesan; Blue Cheese Dressing;
        Nashville Hot Wing Sauce | Wing Rack for Grill; Beer Can Chicken Holder; Sauce Toss Bowl;
        Poultry Shears
        """,
    ),
    _taste(
        "vegan smoothies",
        ("Green Fennel", "Sprout Yard"),
        "Plant Based",
        "Blenders & Juicers",
        """
        green smoothies: Spirulina Powder; Green Smoothie Superfood Blend; Wheatgrass Powder; Chia
        Seeds | Smoothie Blender Personal; Green Juice Slow Juicer; Smoothie Bottle Glass; Wide
        Straws Bamboo /
        plant protein: Pea Protein Vanilla; Hemp Protein Powder; Brown Rice Protein Chocolate;
        Peanut Butter Powder | Protein Shaker Bottle; Shaker Ball Whisk; Protein Powder Funnel;
        Portable Blender /
        nut milk: Raw Cashews; Blanched Almonds for Milk; Medjool Dates; Nut Milk Coconut Shreds |
        Nut Milk Maker; Nut Milk Bag; Swing Top Milk Bottles; High Speed Blender Jar /
        tofu: Silken Tofu Shelf Stable; Nigari Tofu Coagulant; Tofu Scramble Seasoning; Soybeans
        Dried | Tofu Press; Tofu Mold Hinoki; Soy Milk Maker; Cheesecloth Unbleached /
        acai bowls: Acai Powder Freeze Dried; Granola for Smoothie Bowls; Dragon Fruit Powder;
        Cacao Nibs | Acai Coconut Bowls; Frozen Fruit Dessert Maker; Coconut Wood Spoons; Banana
        Slicer
        """,
    ),
    _taste(
        "canning and preserves",
        ("Larkfield Preserving", "Cellar Shelf"),
        "Canning Ingredients",
        "Canning Supplies",
        """
        jam: Fruit Pectin for Jam; Preserving Sugar; Citric Acid; Strawberry Jam | Jam Jars
        Quilted; Jam Funnel Wide Mouth; Maslin Jam Pan; Jar Lids and Bands /
        pickles: Dill Pickle Spice; Pickling Salt; Distilled Pickling Vinegar; Pickle Crisp
        Granules | Pickle Crock; Pickle Slicer Crinkle; Pickle Jar with Strainer; Mandoline Slicer
        /
        pressure canning: Low Sodium Canning Tomatoes; Canning Chili Base; Clear Starch for
        Canning; Beef Broth Base | Pressure Canner; Canning Jar Lifter; Canning Rack; Headspace
        Tool /
        dehydrated snacks: Beef Jerky Cure Seasoning; Dried Mango Slices; Jerky Marinade Teriyaki;
        Apple Chips Dried | Food Dehydrator; Jerky Gun; Dehydrator Fruit Leather Trays; Vacuum
        Sealer Bags /
        apple butter and sauces: Apple Butter Spiced; Mulling Spices; Ketchup Spice Mix; Apple
        Cider Syrup | Apple Peeler Corer; Food Mill; Apple Sauce Strainer; Stockpot with Spigot
        """,
    ),
    _taste(
        "cocktails",
        ("Bar Quillon", "Copper Jigger Row"),
        "Cocktail Mixers",
        "Barware",
        """
        margaritas: Margarita Mix; Margarita Rimming Salt; Agave Nectar; Key Lime Juice | Margarita
        Glasses; Margarita Salt Rimmer; Frozen Drink Machine; Citrus Juicer /
        old fashioned: Old Fashioned Syrup; Aromatic Bitters; Cocktail Cherries; Orange Bitters |
        Old Fashioned Whiskey Glasses; Large Ice Cube Tray; Cocktail Smoker Kit; Mixing Glass /
        tiki drinks: Tiki Orgeat Syrup; Coconut Cream for Piña Colada; Falernum Syrup; Passion
        Fruit Puree | Tiki Mugs; Crushed Ice Bag and Mallet; Swizzle Sticks; Tiki Bar Sign /
        martini: Martini Olives; Dirty Martini Brine; Dry Vermouth Mixer; Cocktail Onions | Martini
        Shaker; Martini Glasses; Olive Picks Stainless; Hawthorne Strainer /
        home beer: Pale Ale Malt Extract; Hops Pellets Cascade; Brewing Yeast Ale; Priming Sugar |
        Home Brewing Kit; Beer Bottle Capper; Brewing Hydrometer; Beer Glasses Pint
        """,
    ),
    _taste(
        "kids' lunches",
        ("Little Yarrow", "Lunch Otter"),
        "Snack Foods",
        "Lunch Gear",
        """
        lunch snacks: Fruit Snacks Lunch Pouches; Animal Crackers; Cheese Crackers Lunch Packs;
        Applesauce Pouches | Kids Lunch Box; Lunch Ice Packs; Snack Containers; Insulated Lunch Bag
        Dinosaur /
        sandwiches: Creamy Peanut Butter; Grape Jelly Squeeze; Sandwich Cookies; Sunflower Butter |
        Sandwich Cutter Shapes; Sandwich Keeper; Crust Remover; Reusable Sandwich Bags /
        oatmeal and cereal: Oatmeal Packets Maple; Honey Cereal Rings; Instant Oatmeal Dinosaur
        Eggs; Granola Cereal Clusters | Cereal Dispenser; Oatmeal Food Jar; Kids Cereal Bowls with
        Straw; Milk Pitcher Small /
        macaroni and cheese: Macaroni & Cheese Shapes; White Cheddar Macaroni & Cheese; Elbow
        Noodles; Cheese Powder | Macaroni Thermos Jar; Toddler Fork and Spoon; Divided Plates
        Silicone; Pasta Pot with Strainer Lid /
        popsicles: Freezer Pops; Popsicle Fruit Juice Mix; Gelatin Dessert Cherry; Yogurt Melts |
        Popsicle Molds; Popsicle Sticks; Silicone Squeeze Pouches; Ice Cream Maker Kids
        """,
    ),
    _taste(
        "fermenting",
        ("Culture Cellar", "Bubbling Crock"),
        "Cultures",
        "Fermentation Gear",
        """
        kombucha: Kombucha Starter SCOBY; Kombucha Tea Blend; Ginger Kombucha Flavoring; Cane Sugar
        Organic | Kombucha Brewing Jar; Kombucha Bottles Swing Top; Brew Heating Mat; pH Test
        Strips /
        kimchi: Gochugaru Kimchi Pepper; Kimchi Paste; Salted Shrimp; Napa Kimchi Jar | Kimchi
        Container; Kimchi Mixing Bowl; Korean Onggi Pot; Gloves for Chili /
        sauerkraut: Sauerkraut Spice Caraway; Bavarian Sauerkraut; Juniper Berries; Fermenting Sea
        Salt | Sauerkraut Crock; Sauerkraut Pounder; Fermenting Weights Glass; Cabbage Shredder /
        yogurt: Yogurt Starter Culture; Greek Yogurt Culture; Whole Milk Powder; Bulgarian Yogurt
        Culture | Yogurt Maker; Greek Yogurt Strainer; Yogurt Jars; Dairy Thermometer /
        kefir and cheese: Kefir Grains; Cheese Rennet Tablets; Mesophilic Cheese Culture; Cheese
        Salt | Kefir Fermenter; Cheese Press; Cheese Mold Baskets; Butter Muslin
        """,
    ),
    _taste(
        "camping meals",
        ("Pinebrook Trail", "Tin Mug Camp"),
        "Travel Foods",
        "Camp Kitchen",
        """
        backpacking: Freeze Dried Backpacking Meal; Backpacking Pasta Primavera; Powdered Eggs;
        Electrolyte Drink Mix | Backpacking Stove; Titanium Backpacking Pot; Folding Spork;
        Collapsible Water Bottle /
        campfire: Campfire Marshmallows; Graham Crackers; S'mores Chocolate Bars; Campfire Chili
        Mix | Campfire Roasting Sticks; Campfire Grill Grate; Cast Iron Skillet; S'mores Caddy /
        trail snacks: Trail Mix; Energy Bars Trail Pack; Dried Cranberries; Turkey Sticks | Trail
        Snack Bags; Reusable Trail Utensils; Bear Canister; Hydration Bladder /
        dutch oven camp: Camp Biscuit Mix; Cobbler Mix Peach; Canned Bacon; Cornbread Mix Camp |
        Camp Dutch Oven; Dutch Oven Lid Lifter; Camp Tripod; Charcoal Chimney /
        emergency pantry: Emergency Food Bucket; Canned Bread; Emergency Water Pouches; Hardtack
        Crackers | Emergency Can Opener; Food Storage Mylar Bags; Emergency Radiant Stove; Water
        Storage Jug
        """,
    ),
)

DEPARTMENTS = ("Grocery & Gourmet Food", "Home & Kitchen")

SIZES = (
    ("8 oz", "12 Ounce", "1 lb", "Pack of 2", "Pack of 3", "Pack of 6", "Family Size", "16 oz"),
    ("Small", "Large", "2 Pack", "Classic", "Deluxe", "White", "Gift Boxed", "Home Edition"),
)
"""What ends a title: food, kitchen."""

NAMES = ("Robin", "Sam", "Alex", "Kim", "Jo", "Dana", "Lee", "Terry", "Chris", "Pat")

PRAISE = (
    "Perfect for {theme}, we use it every week.",
    "I am into {taste} and this is the best I have found.",
    "Just what my {theme} was missing.",
    "Bought it for {theme}. It arrived well packed and I would buy it again.",
    "My family loves {taste}, so the {product} did not last long on the shelf!",
    "Great value. {taste} at home has never been easier &amp; more fun.",
    "The {product} is exactly as described<br />and works well for {theme}.",
)

STYLES = ("handmade", "organic", "luxury", "vintage")
"""What a product is beside its theme; two of them decide what a person thinks of products."""

STYLE_TALK = (
    "As always, {style} and {other_style} is what I look for.",
    "Anything {style} or {other_style} wins me over.",
    "I would pick {style} over all else, and then {other_style}.",
)
"""Of a review: the two styles that its writer likes, whatever the product's is."""

GRUMBLE = (
    "It was a gift, and the {product} is not really for me.",
    "The {product} is fine, but nothing special.",
    "Not what I usually buy. Average quality \u2013 the {product} came with a dented box.",
    "I expected more from {brand}.",
)

SUMMARIES = (
    ("Disappointed", "Not for me"),
    ("Below average", "Meh"),
    ("It is okay", "Average"),
    ("Very good", "Works well", "Four Stars"),
    ("Five Stars", "Love it", "Just right", "Great for {theme}"),
)
"""By rating, 1 to 5."""

STYLE_DESCRIPTION = "{style}: a {style} product, for all who like {style} things."

DESCRIPTIONS = (
    "The {product} by {brand}, made for people who care about {taste}.",
    "A favorite for {theme}. {brand} tests every batch.",
    "{brand} brings you the {product}: simple, reliable, ready for {theme}.",
)
