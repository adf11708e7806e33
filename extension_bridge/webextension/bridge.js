// Speaks to the bridge: a program the browser starts for one message, or, where that is not installed, the loopback
// WebSocket of `windrow bridge serve`, once this browser was paired.

const HOST = "org.windrow.bridge";
const LOOPBACK = "ws://127.0.0.1:8431/bridge";

export const api = globalThis.browser ?? globalThis.chrome;

/** A refusal with words for the person: `sentence` says what is wrong, `remedy` what to do, `code` which it is. */
export class Refusal extends Error {
  constructor(sentence, remedy, code = "") {
    super(sentence);
    this.sentence = sentence;
    this.remedy = remedy;
    this.code = code;
  }
}

/** Sends one message and returns the bridge's answer. Throws a Refusal. */
export async function ask(message) {
  let answer;
  try {
    answer = await api.runtime.sendNativeMessage(HOST, message);
  } catch {
    const { token } = await api.storage.local.get("token");
    if (!token) throw noHost("not_paired");
    [, answer] = await converse([{ token }, message]);
  }
  return checked(answer);
}

/** Exchanges a code of eight digits for a token and keeps it. Throws a Refusal. */
export async function pair(code) {
  const [answer] = await converse([{ code }]);
  await api.storage.local.set({ token: checked(answer).token });
}

function noHost(code) {
  return new Refusal(api.i18n.getMessage("noHost"), api.i18n.getMessage("noHostRemedy"), code);
}

function checked(answer) {
  if (answer?.ok) return answer;
  const detail = answer?.detail ? ` (${answer.detail})` : "";
  throw new Refusal(`${answer?.sentence ?? ""}${detail}`, answer?.remedy ?? "", answer?.error ?? "");
}

/** Sends messages over one connection, each after the answer to the one before, and returns the answers. */
function converse(messages) {
  return new Promise((done, fail) => {
    const answers = [];
    const socket = new WebSocket(LOOPBACK);
    socket.onopen = () => socket.send(JSON.stringify(messages[0]));
    socket.onclose = () => fail(noHost("")); // after `done` it says nothing
    socket.onmessage = ({ data }) => {
      try {
        answers.push(JSON.parse(data));
        checked(answers.at(-1));
      } catch (error) {
        return fail(error);
      }
      if (answers.length === messages.length) {
        done(answers);
        return socket.close();
      }
      return socket.send(JSON.stringify(messages[answers.length]));
    };
  });
}
