"""Statements as banks and programs of English-speaking and Asian countries write them.

Rules: data only. Each is name → (encoding, lines, payees with amounts); every entry is of the end of January 2024.
Usage: `encoding, text, said = BANKS_ELSEWHERE["starling"]`.
"""

from __future__ import annotations

from typing import Final

BANKS_ELSEWHERE: Final[dict[str, tuple[str, str, str]]] = {
    "starling": (
        "utf-8",
        "Date,Counter Party,Reference,Type,Amount (GBP),Balance (GBP),Spending Category,Notes\n"
        "31/01/2024,Baker,BREAD,CARD,-1.00,5.00,GROCERIES,\n",
        "Baker: -1.00",
    ),
    "capital one": (
        "utf-8",
        "Transaction Date,Posted Date,Card No.,Description,Category,Debit,Credit\n"
        "2024-01-31,2024-02-01,1234,BAKER,Dining,1.00,\n",
        "BAKER: -1.00",
    ),
    "wells fargo": (
        "utf-8",
        '"01/31/2024","-1.00","*","","BAKER"\n"01/30/2024","5.00","*","","WAGE"\n',
        "BAKER: -1.00; WAGE: 5.00",
    ),
    "cba": (
        "utf-8",
        '31/01/2024,"-1.00","BAKER","+5.00"\n30/01/2024,"+5.00","WAGE","+6.00"\n',
        "BAKER: -1.00; WAGE: +5.00",
    ),
    "mufg": (
        "cp932",
        '"日付","摘要","摘要内容","支払い金額","預かり金額","差引残高","メモ","未資金化区分",'
        '"入払区分"\n'
        '"2024/1/31","カード","パンヤ","1,000","","5,000","","","支払い"\n',
        "カード: -1,000",
    ),
    "rakuten": (
        "cp932",
        "取引日,入出金(円),取引後残高(円),入出金内容\n20240131,-1000,5000,パン屋\n",
        "パン屋: -1000",
    ),
    "smbc": (
        "cp932",
        "年月日,お引出し,お預入れ,お取り扱い内容,残高\n2024/1/31,1000,,パン屋,5000\n",
        "パン屋: -1000",
    ),
    "alipay": (
        "gb18030",
        "------------------------------------\n"
        "导出信息：\n"
        "姓名：某\n"
        "\n"
        "交易时间,交易分类,交易对方,对方账号,商品说明,收/支,金额,收/付款方式,交易状态,交易订单号\n"
        "2024-01-31 10:11:12,餐饮,面包店,/,面包,支出,1.00,余额,交易成功,1\n",
        "面包店: -1.00",
    ),
    "wechat": (
        "utf-8-sig",
        "微信支付账单明细,,,\n"
        "微信昵称：[某],,,\n"
        ",,,\n"
        "交易时间,交易类型,交易对方,商品,收/支,金额(元),支付方式,当前状态,交易单号\n"
        '2024-01-31 10:11:12,商户消费,面包店,"面包",支出,¥1.00,零钱,支付成功,1\n',
        "面包店: -1.00",
    ),
    "korea": (
        "cp949",
        "거래일시,적요,보낸분/받는분,출금액,입금액,잔액\n2024.01.31 10:11:12,체크카드,빵집,1000,0,5000\n",
        "빵집: -1000",
    ),
    "monzo": (
        "utf-8",
        "Transaction ID,Date,Time,Type,Name,Emoji,Category,Amount,Currency,Local amount,"
        "Local currency,Notes and #tags,Address,Receipt,Description,Category split,Money Out,"
        "Money In\n"
        "tx_1,31/01/2024,10:11:12,Card payment,Baker,,Groceries,-1.00,GBP,-1.00,GBP,,,,"
        "BAKER LONDON,,-1.00,\n",
        "BAKER LONDON: -1.00 GBP",
    ),
    "apple card": (
        "utf-8",
        "Transaction Date,Clearing Date,Description,Merchant,Category,Type,Amount (USD),"
        "Purchased By\n"
        "01/31/2024,02/01/2024,BAKER INC,Baker,Grocery,Purchase,1.00,Me\n",
        "BAKER INC: -1.00",
    ),
    "discover": (
        "utf-8",
        "Trans. Date,Post Date,Description,Amount,Category\n01/31/2024,01/31/2024,BAKER,1.00,Restaurants\n",
        "BAKER: 1.00",
    ),
    "ynab": (
        "utf-8-sig",
        '"Account","Flag","Date","Payee","Category Group/Category","Category Group","Category",'
        '"Memo","Outflow","Inflow","Cleared"\n'
        '"A","","31/01/2024","Baker","","","","Bread",£1.00,£0.00,"Cleared"\n',
        "Baker: -1.00",
    ),
    "mint": (
        "utf-8",
        '"Date","Description","Original Description","Amount","Transaction Type","Category",'
        '"Account Name","Labels","Notes"\n'
        '"1/31/2024","Baker","BAKER INC","1.00","debit","Food","A","",""\n',
        "Baker: -1.00",
    ),
    "utf16 tab": (
        "utf-16",
        "Date\tDescription\tAmount\n31/01/2024\tBaker\t-1.00\n",
        "Baker: -1.00",
    ),
    "quoted lines": (
        "utf-8",
        'Date,Description,Amount\n2024-01-31,"Baker\nLondon, UK","-1,000.00"\n',
        "Baker London, UK: -1,000.00",
    ),
    "cr dr suffix": (
        "utf-8",
        "Date,Description,Amount\n31/01/2024,Baker,1.00 DR\n30/01/2024,Wage,5.00 CR\n",
        "Baker: -1.00; Wage: 5.00",
    ),
    "india cr/dr": (
        "utf-8",
        "Txn Date,Value Date,Description,Ref No./Cheque No.,        Debit,Credit,Balance\n"
        "31 Jan 2024,31 Jan 2024,BAKER,1,1.00, ,5.00\n",
        "BAKER: -1.00",
    ),
}
