BEGIN TRANSACTION;
CREATE TABLE loyalty_claims (
        counter TEXT NOT NULL, key TEXT NOT NULL, amount INTEGER NOT NULL, until INTEGER,
        PRIMARY KEY (counter, key)) WITHOUT ROWID;
INSERT INTO "loyalty_claims" VALUES('budget','k',1,NULL);
INSERT INTO "loyalty_claims" VALUES('coupon/SUMMER/2026-07','order/1001',2,NULL);
INSERT INTO "loyalty_claims" VALUES('coupon/SUMMER/2026-07','order/1002',3,1782896730000005);
CREATE TABLE loyalty_facts (
        stream TEXT NOT NULL, version INTEGER NOT NULL, fact TEXT NOT NULL, PRIMARY KEY (stream, version)) WITHOUT ROWID;
INSERT INTO "loyalty_facts" VALUES('campaign/1',1,'{"at":"2026-07-01T08:05:30.000005Z","form":1,"kind":"member.joined","member_id":"x"}');
INSERT INTO "loyalty_facts" VALUES('campaign/1',2,'{"at":"2026-07-01T08:05:30.000005Z","form":1,"kind":"member.joined","member_id":"x"}');
INSERT INTO "loyalty_facts" VALUES('member/due',1,'{"at":"2026-07-01T08:05:30.000005Z","form":1,"kind":"member.joined","member_id":"x"}');
INSERT INTO "loyalty_facts" VALUES('member/due',2,'{"at":"2026-07-01T08:05:30.000005Z","form":1,"kind":"member.joined","member_id":"x"}');
INSERT INTO "loyalty_facts" VALUES('member/m-42',1,'{"at":"2026-07-01T08:01:00Z","form":1,"kind":"member.joined","member_id":"m-42"}');
INSERT INTO "loyalty_facts" VALUES('member/m-42',2,'{"at":"2026-07-01T08:03:00Z","day":"2026-07-01","form":1,"kind":"member.order_counted","order_id":"1001","qualifying_minor":1250}');
INSERT INTO "loyalty_facts" VALUES('member/m-42',3,'{"account":"points","at":"2026-07-01T08:03:00Z","available_at":"2026-07-01T08:03:00Z","expires_at":"2027-07-01T22:00:00Z","form":1,"kind":"ledger.granted","ref":"1001","rule":"order","units":12}');
INSERT INTO "loyalty_facts" VALUES('member/m-42',4,'{"account":"points","actor":"user-3","at":"2026-07-01T08:03:30.000005Z","available_at":"2026-07-01T08:03:30.000005Z","form":1,"kind":"ledger.granted","ref":"ticket-7","rule":"goodwill","units":40}');
INSERT INTO "loyalty_facts" VALUES('member/zoé',1,'{"at":"2026-07-01T08:00:00Z","form":1,"kind":"member.joined","member_id":"zoé"}');
INSERT INTO "loyalty_facts" VALUES('member/zoé',2,'{"at":"2026-07-01T08:02:00Z","day":"2026-07-01","form":1,"kind":"member.order_counted","order_id":"1002","qualifying_minor":7990}');
INSERT INTO "loyalty_facts" VALUES('member/zoé',3,'{"account":"points","at":"2026-07-01T08:02:00Z","available_at":"2026-07-01T08:02:00Z","expires_at":"2027-07-01T22:00:00Z","form":1,"kind":"ledger.granted","ref":"1002","rule":"order","units":79}');
INSERT INTO "loyalty_facts" VALUES('member/zoé',4,'{"at":"2026-07-01T08:04:30.000005Z","form":1,"kind":"member.return_counted","order_id":"1002","qualifying_minor":7990,"return_id":"r-1"}');
INSERT INTO "loyalty_facts" VALUES('member/zoé',5,'{"account":"points","at":"2026-07-01T08:04:30.000005Z","earn_ref":"1002","form":1,"kind":"ledger.revoked","parts":[{"lot_id":"1002/order","units":79}],"ref":"1002/r-1"}');
INSERT INTO "loyalty_facts" VALUES('order/1001',1,'{"at":"2026-07-01T08:03:00Z","currency":"EUR","digest":"aeaf2a0a96bed3340880cdefd7aafde9","earned":[{"available_at":"2026-07-01T08:03:00Z","counted":[{"line_id":"bell","minor":1250}],"expires_at":"2027-07-01T22:00:00Z","formula":{"per_minor":100,"points":1,"shape":"step"},"points":12,"rule":"order"}],"form":1,"kind":"order.placed","lines":[{"line_id":"bell","list_minor":1250,"product_id":"bell","quantity":1}],"member_id":"m-42","order_id":"1001","program":"c296645be6b1643a070e4d4a050feb71"}');
INSERT INTO "loyalty_facts" VALUES('order/1002',1,'{"at":"2026-07-01T08:02:00Z","currency":"EUR","digest":"8980594f2f4fd099dcf6e9607c24b704","earned":[{"available_at":"2026-07-01T08:02:00Z","counted":[{"line_id":"helmet","minor":7990}],"expires_at":"2027-07-01T22:00:00Z","formula":{"per_minor":100,"points":1,"shape":"step"},"points":79,"rule":"order"}],"form":1,"kind":"order.placed","lines":[{"line_id":"helmet","list_minor":7990,"product_id":"helmet","quantity":1}],"member_id":"zoé","order_id":"1002","program":"c296645be6b1643a070e4d4a050feb71"}');
INSERT INTO "loyalty_facts" VALUES('order/1002',2,'{"at":"2026-07-01T08:04:30.000005Z","currency":"EUR","form":1,"kind":"order.returned","lines":{"helmet":1},"money_minor":7990,"order_id":"1002","points_revoked":79,"qualifying_minor":7990,"return_id":"r-1"}');
CREATE TABLE loyalty_meta (schema INTEGER NOT NULL);
INSERT INTO "loyalty_meta" VALUES(1);
CREATE TABLE loyalty_receipts (
        home TEXT NOT NULL, key TEXT NOT NULL, actor TEXT NOT NULL, fingerprint TEXT NOT NULL, appended TEXT NOT NULL,
        PRIMARY KEY (home, key)) WITHOUT ROWID;
INSERT INTO "loyalty_receipts" VALUES('member/due','again','shop','{"actor": "80092f51df87181f35bb496e0a96f2f2"}','[["campaign/1", 1, 2]]');
INSERT INTO "loyalty_receipts" VALUES('member/due','grant','shop','{"actor": "80092f51df87181f35bb496e0a96f2f2", "what": "f81080b165d9e8d6d3087c572ba00023"}','[["member/due", 0, 2], ["campaign/1", 0, 1]]');
INSERT INTO "loyalty_receipts" VALUES('member/m-42','earn:ticket-7','user-3','{"account": "c1c09d9e3b6622023f0c7e985e3b8687", "actor": "13539d308193b727a558f18e3f76935f", "available_at": "b77663e9d21cb8eea94c5257cd42136c", "expires_at": "b77663e9d21cb8eea94c5257cd42136c", "points": "6e18fac846c91d8a8a800621f509671a", "reason": "fa7d7799fd5aa958c478afcbf70cebfa", "rule": "c8e2ff52cf7d832df238a1691e47fcc9"}','[["member/m-42", 3, 4]]');
INSERT INTO "loyalty_receipts" VALUES('member/m-42','join','shop','{"actor": "80092f51df87181f35bb496e0a96f2f2"}','[["member/m-42", 0, 1]]');
INSERT INTO "loyalty_receipts" VALUES('member/zoé','join','shop','{"actor": "80092f51df87181f35bb496e0a96f2f2"}','[["member/zo\u00e9", 0, 1]]');
INSERT INTO "loyalty_receipts" VALUES('order/1001','place','shop','{"actor": "80092f51df87181f35bb496e0a96f2f2", "basket": "c2ceb4443921dab5e76116bbe5b598ca", "burn": "1cc762e5d3ca09a22c233cd1a9476dbd", "codes": "a617230c301f0e4ce258f04df557cf74", "member_id": "e11a807212e3611101036a2595b7d62f", "profile": "14aeef632a5e6aa969f506bc4024afec"}','[["order/1001", 0, 1], ["member/m-42", 1, 3]]');
INSERT INTO "loyalty_receipts" VALUES('order/1002','place','shop','{"actor": "80092f51df87181f35bb496e0a96f2f2", "basket": "68dbdbb1c7de5cae1d7e57dda2e0c9e7", "burn": "1cc762e5d3ca09a22c233cd1a9476dbd", "codes": "a617230c301f0e4ce258f04df557cf74", "member_id": "e90f489570c8613dfefe7d9ee4709e1a", "profile": "14aeef632a5e6aa969f506bc4024afec"}','[["order/1002", 0, 1], ["member/zo\u00e9", 1, 3]]');
INSERT INTO "loyalty_receipts" VALUES('order/1002','refund:r-1','shop','{"actor": "80092f51df87181f35bb496e0a96f2f2", "amount": "b77663e9d21cb8eea94c5257cd42136c", "lines": "1f834e97a5d94f7f81bd09fc3b8ad9db", "shipping": "b77663e9d21cb8eea94c5257cd42136c"}','[["order/1002", 1, 2], ["member/zo\u00e9", 3, 5]]');
INSERT INTO "loyalty_receipts" VALUES('order/claims','only','shop','{"actor": "80092f51df87181f35bb496e0a96f2f2"}','[]');
CREATE TABLE loyalty_streams (
        stream TEXT PRIMARY KEY, version INTEGER NOT NULL, due_at INTEGER) WITHOUT ROWID;
INSERT INTO "loyalty_streams" VALUES('campaign/1',2,NULL);
INSERT INTO "loyalty_streams" VALUES('member/due',2,1798761600000000);
INSERT INTO "loyalty_streams" VALUES('member/m-42',4,NULL);
INSERT INTO "loyalty_streams" VALUES('member/zoé',5,NULL);
INSERT INTO "loyalty_streams" VALUES('order/1001',1,NULL);
INSERT INTO "loyalty_streams" VALUES('order/1002',2,NULL);
CREATE INDEX loyalty_streams_due ON loyalty_streams (due_at, stream) WHERE due_at IS NOT NULL;
COMMIT;
