// Signs in with a wallet in the browser (EIP-1193): asks the console for a text, has it signed, sends it back.
// Source: EIP-4361, EIP-191 (personal_sign).
"use strict";
(() => {
  const button = document.getElementById("sign-in");
  const said = document.getElementById("said");
  const say = (text) => { said.textContent = text; };
  const wallet = window.ethereum;
  if (!wallet) return;

  const send = async (door, body) => {
    const answer = await fetch(door, {
      method: "POST", cache: "no-store", headers: { "Content-Type": "application/json", Accept: "application/json" }, body: JSON.stringify(body),
    });
    const told = await answer.json().catch(() => ({}));
    if (!answer.ok) throw new Error([told.sentence, told.detail, told.remedy].filter(Boolean).join(". ") || `The console answered ${answer.status}.`);
    return told;
  };
  const hex = (text) => "0x" + [...new TextEncoder().encode(text)].map((byte) => byte.toString(16).padStart(2, "0")).join("");

  const signIn = async () => {
    const [account] = await wallet.request({ method: "eth_requestAccounts" });
    if (!account) throw new Error("The wallet names no account.");
    const { message } = await send("/console/challenge", { address: account });
    say("Your wallet asks you to sign. It moves no money.");
    const signature = await wallet.request({ method: "personal_sign", params: [hex(message), account] });
    await send("/console/sign-in", { message, signature });
    location.assign("/console");
  };

  button.hidden = false;
  say("Your wallet will ask you which account, and to sign.");
  button.addEventListener("click", async () => {
    button.disabled = true;
    try {
      await signIn();
    } catch (error) {
      say(error.code === 4001 ? "You declined. Nothing was signed." : `${error.message || error}`.slice(0, 400));
    } finally {
      button.disabled = false;
    }
  });
})();
