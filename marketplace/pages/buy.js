// Buys this page's export with a wallet in the browser (EIP-1193), by the market's own x402 door. Without a wallet it
// does nothing, and the page shows the other ways. Each asset has a button with its own price, token and contract.
// Rules: the wallet is asked to sign exactly what the button that was pressed says, or nothing; what was bought on this machine is asked for again by an order, which moves
// no money. Sets text and links; never markup. Source: x402 version 2 `exact`, EIP-712, EIP-1193, EIP-3009.
"use strict";
(() => {
  const place = document.getElementById("buy");
  const wallet = window.ethereum;
  if (!place || !place.dataset.market || !wallet) return;
  const sold = place.dataset;
  const door = `/market/datasets/${sold.dataset}/${sold.version}/`;
  const kept = `windrow-sale/${sold.exportId}`;
  const LINKS_MAX = 200;
  const DOMAIN = ["name:string", "version:string", "chainId:uint256", "verifyingContract:address"];
  const TRANSFER = ["from:address", "to:address", "value:uint256", "validAfter:uint256", "validBefore:uint256", "nonce:bytes32"];
  const ORDER = ["network:string", "exportId:bytes32", "payment:bytes32", "buyer:address", "nonce:bytes32", "expiresAt:uint64"];

  const find = (id) => document.getElementById(id);
  const say = (text) => { find("said").textContent = text; };
  const same = (one, other) => String(one).toLowerCase() === String(other).toLowerCase();
  const tokens = (units, decimals) => {
    const digits = String(units).padStart(Number(decimals) + 1, "0");
    const cut = digits.length - Number(decimals);
    const parts = digits.slice(cut).replace(/0+$/, "");
    return digits.slice(0, cut) + (parts && `.${parts}`);
  };
  const now = () => Math.floor(Date.now() / 1000);
  const nonce = () => "0x" + [...crypto.getRandomValues(new Uint8Array(32))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  const fields = (list) => list.map((each) => { const [name, type] = each.split(":"); return { name, type }; });
  const typed = (primaryType, list, domain, message) =>
    JSON.stringify({ types: { EIP712Domain: fields(DOMAIN), [primaryType]: fields(list) }, primaryType, domain, message });
  const sign = (account, message) => wallet.request({ method: "eth_signTypedData_v4", params: [account, message] });

  const remembered = () => { try { return localStorage.getItem(kept) || ""; } catch { return ""; } };
  const remember = (transaction) => { try { localStorage.setItem(kept, transaction); } catch { /* then it is bought anew, free */ } };

  const account = async () => {
    const [first] = await wallet.request({ method: "eth_requestAccounts" });
    if (!first) throw new Error("The wallet names no account.");
    const wanted = "0x" + Number(sold.chain).toString(16);
    if (!same(await wallet.request({ method: "eth_chainId" }), wanted)) {
      await wallet.request({ method: "wallet_switchEthereumChain", params: [{ chainId: wanted }] });
    }
    return first;
  };

  const refusal = async (answer) => {
    const said = await answer.json().catch(() => ({}));
    return new Error([said.sentence, said.detail, said.error, said.remedy].filter(Boolean).join(" ") || `The market answered ${answer.status}.`);
  };

  const requirement = async (wanted) => {
    const answer = await fetch(door + "buy", { cache: "no-store" });
    if (answer.status !== 402) throw await refusal(answer);
    const asked = (await answer.json()).accepts.find((each) => same(each.asset, wanted.token));
    const fits = asked && asked.scheme === "exact" && asked.network === `eip155:${sold.chain}`
      && asked.amount === wanted.price && same(asked.payTo, wanted.market);
    if (!fits) throw new Error("The market asks for something else than this page shows. Nothing was signed; load the page again.");
    return asked;
  };

  const pay = (wanted) => async () => {
    const buyer = await account();
    const asked = await requirement(wanted);
    const authorization = {
      from: buyer, to: asked.payTo, value: asked.amount,
      validAfter: "0", validBefore: String(now() + asked.maxTimeoutSeconds), nonce: nonce(),
    };
    const domain = { name: asked.extra.name, version: asked.extra.version, chainId: Number(sold.chain), verifyingContract: asked.asset };
    say(`Your wallet asks you to sign the payment of ${tokens(wanted.price, wanted.decimals)} ${wanted.symbol}. It costs no gas.`);
    const signature = await sign(buyer, typed("TransferWithAuthorization", TRANSFER, domain, authorization));
    say("Paying…");
    const payment = { x402Version: 2, payload: { authorization, signature }, accepted: asked };
    const answer = await fetch(door + "buy", { cache: "no-store", headers: { "PAYMENT-SIGNATURE": btoa(JSON.stringify(payment)) } });
    if (!answer.ok) throw await refusal(answer);
    const settled = JSON.parse(atob(answer.headers.get("PAYMENT-RESPONSE")));
    remember(settled.transaction);
    await show(await answer.json(), settled.transaction);
  };

  const linksAgain = async () => {
    const buyer = await account();
    const order = {
      network: sold.network, exportId: sold.exportId, payment: remembered(),
      buyer, nonce: nonce(), expiresAt: now() + 300,
    };
    const domain = { name: "Windrow market", version: "1", chainId: Number(sold.chain), verifyingContract: sold.market };
    say("Your wallet asks you to sign an order for what you bought. It moves no money.");
    const signature = await sign(buyer, typed("Order", ORDER, domain, order));
    const body = {
      network: order.network, export_id: order.exportId, tx_hash: order.payment, buyer,
      nonce: order.nonce, expires_at_s: order.expiresAt, signature,
    };
    const answer = await fetch("/market/orders", { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
    if (!answer.ok) throw await refusal(answer);
    await show(await answer.json(), order.payment);
  };

  const link = (url, text, name) => Object.assign(document.createElement("a"), { href: url, textContent: text, download: name });
  const item = (...parts) => { const line = document.createElement("li"); line.append(...parts); return line; };

  // What the sale cost is what the coordinator's receipt says: whoever has it for one asset pays nothing in another.
  const paid = (receipt) => {
    const { asset, price } = JSON.parse(atob(receipt.split(".")[1].replaceAll("-", "+").replaceAll("_", "/"))).content;
    const button = [...place.querySelectorAll(".pay")].find((each) => each.dataset.symbol === asset);
    return button ? `${tokens(price, button.dataset.decimals)} ${asset}` : `${price} of the smallest unit of ${asset}`;
  };

  const show = async (ticket, transaction) => {
    const manifest = await (await fetch(ticket.download + "manifest.json", { cache: "no-store" })).json();
    const paths = ["manifest.json", "manifest.jws", ...manifest.files.map((file) => file.path)];
    const shown = paths.slice(0, LINKS_MAX);
    find("paid").textContent = paid(ticket.receipt);
    find("sale").textContent = ticket.sale_id;
    find("transaction").textContent = transaction;
    find("until").textContent = new Date(ticket.expires_at_ms).toLocaleString();
    const receipt = URL.createObjectURL(new Blob([ticket.receipt + "\n"], { type: "application/jose" }));
    find("files").replaceChildren(
      item(link(receipt, "receipt.jws", "receipt.jws"), ", signed by the coordinator"),
      ...shown.map((path) => item(link(ticket.download + path, path, path.split("/").pop()))),
    );
    if (paths.length > shown.length) find("files").append(item(`and ${paths.length - shown.length} more: windrow buy fetches them all, and pays nothing again`));
    const folder = `${ticket.dataset}-${ticket.version}/`;
    find("resume").textContent = shown.map((path) => `curl -C - --create-dirs -o ${folder}${path} ${new URL(ticket.download + path, location)}`).join("\n");
    find("bought").hidden = false;
    find("again").hidden = false;
    for (const button of place.querySelectorAll(".pay")) button.hidden = true;
    say("It is yours.");
  };

  const doing = (work) => async () => {
    for (const button of place.querySelectorAll("button")) button.disabled = true;
    try {
      await work();
    } catch (error) {
      say(error.code === 4001 ? "You declined. Nothing was signed." : `${error.message || error}`.slice(0, 400));
    } finally {
      for (const button of place.querySelectorAll("button")) button.disabled = false;
    }
  };

  find("wallet").hidden = false;
  find("again").hidden = !remembered();
  for (const button of place.querySelectorAll(".pay")) button.addEventListener("click", doing(pay(button.dataset)));
  find("again").addEventListener("click", doing(linksAgain));
})();
