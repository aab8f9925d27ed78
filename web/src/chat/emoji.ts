// The emoji that can be picked, under Slack's short names, with words to find them by.

export interface Emoji {
  name: string;
  character: string;
  words: string;
}

const LIST = `
thumbsup 👍 yes good agree|thumbsdown 👎 no bad|heart ❤️ love|joy 😂 laugh tears|tada 🎉 party congratulations
eyes 👀 look see|white_check_mark ✅ done yes|pray 🙏 thanks please|fire 🔥 hot|clap 👏 applause
raised_hands 🙌 hooray|100 💯 full|rocket 🚀 launch|thinking_face 🤔 hmm|sob 😭 cry|smile 😄 happy
grinning 😀 happy|slightly_smiling_face 🙂 smile|wink 😉|blush 😊 happy|heart_eyes 😍 love|sunglasses 😎 cool
sweat_smile 😅 phew|rolling_on_the_floor_laughing 🤣 laugh|innocent 😇 angel|relieved 😌|neutral_face 😐
confused 😕|worried 😟|cry 😢 sad|angry 😠|exploding_head 🤯 mind|scream 😱 fear|sleeping 😴 tired zzz
face_with_rolling_eyes 🙄|hugging_face 🤗 hug|shushing_face 🤫 quiet|salute 🫡 yes|melting_face 🫠|nerd_face 🤓
wave 👋 hello bye|ok_hand 👌 perfect|muscle 💪 strong|point_up ☝️|point_right 👉|point_left 👈|point_down 👇
handshake 🤝 deal|crossed_fingers 🤞 luck|v ✌️ peace|writing_hand ✍️|open_hands 👐|facepalm 🤦|shrug 🤷
sparkles ✨ stars|star ⭐|zap ⚡ lightning|boom 💥|bulb 💡 idea|dart 🎯 target|trophy 🏆 win|medal 🏅
gift 🎁|balloon 🎈|birthday 🎂 cake|champagne 🍾|beers 🍻 cheers|coffee ☕|tea 🍵|pizza 🍕|cake 🍰|apple 🍎
sunny ☀️ weather|cloud ☁️|umbrella ☔ rain|snowflake ❄️ cold|rainbow 🌈|ocean 🌊 wave|seedling 🌱 grow|rose 🌹
dog 🐶|cat 🐱|bee 🐝|bug 🐛 error|turtle 🐢 slow|unicorn_face 🦄|crab 🦀 rust
warning ⚠️ careful|x ❌ no wrong|question ❓|exclamation ❗|no_entry ⛔ stop|rotating_light 🚨 alarm|bell 🔔
lock 🔒|key 🔑|wrench 🔧 fix|hammer 🔨 build|gear ⚙️|package 📦|memo 📝 note|pushpin 📌 pin|calendar 📅 date
hourglass ⌛ wait|alarm_clock ⏰ time|phone ☎️|iphone 📱 mobile|computer 💻|email 📧 mail|link 🔗|mag 🔍 search
chart_with_upwards_trend 📈|moneybag 💰|car 🚗|bike 🚲|train 🚆|airplane ✈️|house 🏠 home|hospital 🏥|world_map 🗺️
blue_heart 💙|green_heart 💚|yellow_heart 💛|purple_heart 💜|black_heart 🖤|broken_heart 💔`;

export const EMOJI: readonly Emoji[] = LIST.split(/[|\n]/)
  .filter((one) => one !== "")
  .map((one) => {
    const [name = "", character = "", ...words] = one.split(" ");
    return { name, character, words: words.join(" ") };
  });

export const QUICK: readonly string[] = ["thumbsup", "heart", "joy", "tada", "eyes", "white_check_mark"];

const BY_NAME = new Map(EMOJI.map((emoji) => [emoji.name, emoji.character]));
const ALSO: Record<string, string> = { "+1": "👍", "-1": "👎", thumbsup_all: "👍", heavy_check_mark: "✔️", thinking: "🤔" };

/** The picture of a reaction; a name that is not known here is shown as Slack writes it. */
export function picture(name: string): string {
  const [base = name] = name.split("::");
  return BY_NAME.get(base) ?? ALSO[base] ?? `:${base}:`;
}

export function findEmoji(words: string): readonly Emoji[] {
  const wanted = words.trim().toLowerCase().replaceAll(":", "");
  if (wanted === "") return EMOJI;
  return EMOJI.filter((emoji) => emoji.name.replaceAll("_", " ").includes(wanted) || emoji.words.includes(wanted));
}
