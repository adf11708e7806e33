// Speaks to the bridge's native-messaging host: one message, one answer, one short-lived process.

const HOST = "org.windrow.bridge";

export const api = globalThis.browser ?? globalThis.chrome;

/** A refusal with words for the person: `sentence` says what is wrong, `remedy` what to do. */
export class Refusal extends Error {
  constructor(sentence, remedy) {
    super(sentence);
    this.sentence = sentence;
    this.remedy = remedy;
  }
}

/** Sends one message and returns the host's answer. Throws a Refusal. */
export async function ask(message) {
  let answer;
  try {
    answer = await api.runtime.sendNativeMessage(HOST, message);
  } catch {
    throw new Refusal(api.i18n.getMessage("noHost"), api.i18n.getMessage("noHostRemedy"));
  }
  if (!answer?.ok) {
    const detail = answer?.detail ? ` (${answer.detail})` : "";
    throw new Refusal(`${answer?.sentence ?? ""}${detail}`, answer?.remedy ?? "");
  }
  return answer;
}
