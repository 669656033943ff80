import { randomInt } from 'node:crypto';
import { randomLower } from '#platform';

/** Short and friendly: people read these names aloud on the phone. */
export const ADJECTIVES = `
  able agile airy alert amber ample ancient apt aqua arctic ardent ashen astral atomic attic auburn autumn avid awake azure balmy basic bold
  bonny brave breezy brief bright brisk broad bronze bubbly burly busy calm candid capable carmine casual cedar central cheery chief chilly
  chipper civic civil classic clean clear clever close cloudy coastal cobalt cool copper coral cordial cosmic cosy courtly cozy creamy crimson
  crisp cubic curious curly dainty dandy dapper daring dashing dawn deep deft dense desert dewy distant dreamy drifting driven dusky dusty
  eager early earnest earthy eastern easy ebony elder elegant elfin emerald eminent epic equal even exact fabled fair faithful famed fancy
  fast fawn fern festive fiery fine firm fleet floral fluent fluffy flying foamy focal fond forest formal fossil frank free fresh friendly
  frosty frugal gallant genial gentle giant giddy gifted gilded glad gleaming glossy golden good graceful grand granite grassy grateful great
  green hale handy happy hardy harvest hasty hazel hearty helpful hidden hilly honest honey humble humid hushed icy ideal immense inland inner
  iron ivory jade jaunty jazzy jolly jovial joyful keen kind kindly knowing lanky large lasting lavish leafy lean level light lilac limber
  lime linear lithe lively local lofty long loyal lucid lucky lunar lush magnetic main major maple marble marine maroon mauve meadow mellow
  merry mighty mild milky mindful minor minty misty mobile modern modest mossy muted narrow native natural neat nimble noble northern noted
  novel oaken oceanic olive opal open orange organic outer oval owlish pacific pale paper patient peaceful peachy pearly pebbly peppy perky
  placid plain plucky plum plush poetic polar polite posh potent prairie precise primal prime proper proud prudent pure purple quaint quick
  quiet radiant rainy rapid rare ready regal regular restful rich robust rocky rosy round royal ruby rugged rural russet rustic sable saffron
  sage salty sandy sapphire satin scarlet scenic sedate serene shady sharp sheer shiny shy silent silken silver simple sincere sleek sleepy
  slender slim smart smoky smooth snappy snowy snug social soft solar solid sonic southern sparkling speedy spicy spiral spirited splendid
  spotted spring spruce spry square stable starry stately steady steep stellar still stoic stony stormy stout strong sturdy suave subtle
  summer sunlit sunny supple sure swift tall tame tan tangy tawny teal tender thankful thrifty tidal tidy timber timely tiny topaz tough
  tranquil trim tropic true trusty tuneful twilight umber upbeat upland upper urban urbane useful valiant varied vast velvet verdant vernal
  vibrant violet vital vivid vocal walnut warm watchful wavy western whole wide wild willing windy winged winter wise witty woody woolly
  worthy young zany zealous zesty zippy
`
  .trim()
  .split(/\s+/);

/** One word each. */
export const ANIMALS = `
  aardvark adder agouti albatross alpaca anchovy anemone angler anole ant anteater antelope armadillo auk avocet axolotl babbler baboon badger
  bandicoot barbet barnacle barracuda basilisk bass bat beagle bear beaver bee beetle beluga bilby binturong bison bittern blackbird blenny
  bluebird boa boar bobcat bobolink bongo bonito booby bream buffalo bulbul bullfinch bunting bushbaby bustard butterfly buzzard caiman camel
  canary capelin capybara caracal cardinal caribou carp cassowary cat caterpillar catfish cavy chaffinch chameleon chamois cheetah chickadee
  chicken chinchilla chipmunk chough cicada civet clam cockatoo cod colt condor coney conger coot cormorant cougar cow cowrie coyote crab
  crane cricket crocodile crossbill crow cuckoo curlew cuttlefish dace dassie deer degu dhole dingo dipper dodo dog dolphin donkey dormouse
  dotterel dove dragonfly drake drongo duck dugong duiker dunlin dunnock eagle echidna eel egret eider eland elephant elk emu ermine falcon
  ferret finch firefly flamingo flounder fly foal fossa fox frigatebird frog fulmar gannet gar gaur gazelle gecko genet gerbil gharial gibbon
  giraffe glider gnat gnu goat godwit goldfinch goose gopher goral gorilla goshawk grackle grasshopper grayling grebe greenfinch grosbeak
  grouper grouse guanaco gudgeon guillemot gull guppy haddock hake halibut hamster hare harrier hartebeest hawfinch hawk hedgehog heron
  herring hippo honeybee hoopoe hornbill hornet horse hound hummingbird hyena hyrax ibex ibis iguana impala indri isopod jacana jackal jackdaw
  jaguar jay jerboa junco kakapo kangaroo katydid kea kestrel killdeer kingbird kingfisher kinkajou kite kittiwake kiwi klipspringer koala koi
  kookaburra kouprey krill kudu ladybird lamprey langur lapwing lark lemming lemur leopard limpet linnet lion lizard llama loach lobster
  locust loon loris lory lovebird lynx lyrebird macaque macaw mackerel magpie mallard mamba manakin manatee mandrill manta mantis mara margay
  marlin marmoset marmot marten martin meerkat merganser merlin mink minnow mole mollusk mongoose monkey moorhen moose moth mouflon mouse mule
  mullet muntjac mussel mustang myna narwhal nautilus newt nightingale nightjar numbat nuthatch nutria nyala ocelot octopus okapi olingo
  opossum orangutan orca oriole oryx osprey ostrich otter ouzel owl ox oyster paca panda pangolin panther parakeet parrot partridge peacock
  pelican penguin perch peregrine petrel phalarope pheasant pigeon pika pike pilchard pintail pipit plaice platypus plover pochard polecat
  pony poodle porcupine porpoise potoroo prawn ptarmigan puffin puma pupfish python quail quetzal quokka quoll rabbit raccoon rail ram raven
  ray razorbill redpoll redstart reedling reindeer rhea rhino roach roadrunner robin rook rooster ruff saiga salamander salmon sandpiper
  sardine sawfish scallop scaup scoter seahorse seal serval shad shark shearwater sheep shelduck shrew shrike shrimp sifaka siskin skate
  skimmer skink skua skylark sloth smelt snail snapper snipe sole spaniel sparrow spider spoonbill sprat squid squirrel stag starfish starling
  steenbok stilt stoat stork sturgeon sunbird sunfish swallow swan tahr takin tamarin tanager tapir tarpon tarsier tenrec termite tern
  terrapin terrier tetra thrasher thrush tiger titmouse toad topi tortoise toucan tropicbird trout tuna turaco turbot turkey turnstone turtle
  urchin vervet vicuna vireo vole wagtail wallaby walleye walrus wapiti warbler warthog waterbuck waxbill waxwing weasel weaver weevil whale
  wheatear whelk whimbrel whippet wigeon wildcat willet wolf wolverine wombat woodcock woodlark woodpecker wren wryneck yak zander zebra zebu
  zorilla
`
  .trim()
  .split(/\s+/);

const TAIL = 5;

/** @returns a readable id such as `quiet-otter-k3x9f`; the tail makes two alike rare, the unique index makes them impossible. */
export function makeNiceId(): string {
  return `${ADJECTIVES[randomInt(ADJECTIVES.length)]}-${ANIMALS[randomInt(ANIMALS.length)]}-${randomLower(TAIL)}`;
}
