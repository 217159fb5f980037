//! Bodies that the venues' documents show. Those of keys, of switches and of cancelling are the samples of the design's page on venues, sections
//! 1 to 4, byte for byte; those of Bybit marked *docs* are of `bybit-exchange/docs`, byte for byte. Lists of orders, positions and balances have
//! the fields that the documents name, cut to what is read.

macro_rules! samples {
    ($($(#[$doc:meta])* $name:ident = $file:literal;)*) => {
        $($(#[$doc])* pub const $name: &str = include_str!(concat!("../../corpus/venues/sample/", $file));)*
    };
}

samples! {
    /// `GET /sapi/v1/account/apiRestrictions`: page on venues, 1a.
    BINANCE_OWN = "binance-own.json";
    /// `GET /sapi/v1/sub-account/subAccountApi`: 1d.
    BINANCE_SUB = "binance-sub.json";
    /// `GET /sapi/v1/sub-account/subAccountApi/ipRestriction`: 1d.
    BINANCE_SUB_IP = "binance-sub-ip.json";
    /// `DELETE /fapi/v1/allOpenOrders`: 1b.
    BINANCE_CANCELLED = "binance-cancelled.json";
    /// `POST /fapi/v1/countdownCancelAll`: 1c.
    BINANCE_COUNTDOWN = "binance-countdown.json";
    /// `GET /api/v3/openOrders`: rest-api.md of binance-spot-api-docs.
    BINANCE_SPOT_ORDERS = "binance-spot-orders.json";
    /// `GET /api/v3/account`: the same.
    BINANCE_ACCOUNT = "binance-account.json";
    /// `GET /fapi/v1/openOrders`.
    BINANCE_FUTURES_ORDERS = "binance-futures-orders.json";
    /// `GET /fapi/v1/openAlgoOrders`.
    BINANCE_ALGO_ORDERS = "binance-algo-orders.json";
    /// `GET /fapi/v3/positionRisk`.
    BINANCE_POSITIONS = "binance-positions.json";
    /// `GET /fapi/v3/balance`.
    BINANCE_FUTURES_BALANCE = "binance-futures-balance.json";
    /// `GET /v5/user/query-api`: page on venues, 2a.
    BYBIT_OWN = "bybit-own.json";
    /// The same: *docs*, v5/user/apikey-info.mdx.
    BYBIT_OWN_DOCS = "bybit-own-docs.json";
    /// `GET /v5/user/sub-apikeys`: *docs*, v5/user/list-sub-apikeys.mdx.
    BYBIT_SUB = "bybit-sub.json";
    /// `GET /v5/order/realtime`: *docs*, v5/order/open-order.mdx.
    BYBIT_ORDERS = "bybit-orders.json";
    /// `POST /v5/order/cancel-all`: *docs*, v5/order/cancel-all.mdx.
    BYBIT_CANCELLED = "bybit-cancelled.json";
    /// `GET /v5/position/list`.
    BYBIT_POSITIONS = "bybit-positions.json";
    /// `GET /v5/account/wallet-balance`.
    BYBIT_WALLET = "bybit-wallet.json";
    /// `GET /api/v5/account/config`: page on venues, 3a.
    OKX_CONFIG = "okx-config.json";
    /// `GET /api/v5/users/subaccount/apikey`: 3d.
    OKX_SUB = "okx-sub.json";
    /// `POST /api/v5/trade/cancel-all-after`: 3c.
    OKX_ARMED = "okx-armed.json";
    /// `GET /api/v5/trade/orders-pending`.
    OKX_ORDERS = "okx-orders.json";
    /// `GET /api/v5/trade/orders-algo-pending`.
    OKX_ALGOS = "okx-algos.json";
    /// `POST /api/v5/trade/cancel-batch-orders`, one part of which is refused.
    OKX_BATCH = "okx-batch.json";
    /// `GET /api/v5/account/positions`.
    OKX_POSITIONS = "okx-positions.json";
    /// `GET /api/v5/account/balance`.
    OKX_BALANCE = "okx-balance.json";
    /// `GET /api/v5/asset/balances`.
    OKX_FUNDING = "okx-funding.json";
    /// `POST /0/private/GetApiKeyInfo`: page on venues, 4.1a.
    KRAKEN_OWN = "kraken-own.json";
    /// The same in the spelling that a library's fixture shows.
    KRAKEN_OWN_SNAKE = "kraken-own-snake.json";
    /// `POST /0/private/CancelAll`: 4.1b.
    KRAKEN_CANCELLED = "kraken-cancelled.json";
    /// `POST /0/private/CancelAllOrdersAfter`: 4.1c.
    KRAKEN_ARMED = "kraken-armed.json";
    /// `POST /0/private/OpenOrders`.
    KRAKEN_ORDERS = "kraken-orders.json";
    /// `POST /0/private/OpenPositions`.
    KRAKEN_POSITIONS = "kraken-positions.json";
    /// `POST /0/private/BalanceEx`.
    KRAKEN_BALANCE = "kraken-balance.json";
    /// `GET /api/auth/v1/api-keys/v3/check`: page on venues, 4.2a.
    FUTURES_OWN = "futures-own.json";
    /// `POST /derivatives/api/v3/cancelallordersafter`: 4.2c.
    FUTURES_ARMED = "futures-armed.json";
    /// `POST /derivatives/api/v3/cancelallorders`.
    FUTURES_CANCELLED = "futures-cancelled.json";
    /// `POST /derivatives/api/v3/cancelorder`.
    FUTURES_CANCELLED_ONE = "futures-cancelled-one.json";
    /// `GET /derivatives/api/v3/openorders`.
    FUTURES_ORDERS = "futures-orders.json";
    /// `GET /derivatives/api/v3/openpositions`.
    FUTURES_POSITIONS = "futures-positions.json";
    /// `GET /derivatives/api/v3/accounts`.
    FUTURES_ACCOUNTS = "futures-accounts.json";
}
