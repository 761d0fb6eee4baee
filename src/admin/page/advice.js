// What to do about an errcode, in Chinese. In English /status says it (src/wechat/call_advice.rs, src/wechat/meaning.rs).

const TOKEN_REFUSED = '微信不认这个 token：wxgate 会换一个新的并重发；没有重发成功的话，原因在日志里';
const RESTRICTED = '微信限制了这个账号：原因见微信后台的通知';

const CALL_ADVICE = {
  '-1': '微信繁忙：稍后重发，间隔逐次拉长',
  40001: TOKEN_REFUSED,
  40002: 'grant_type 不是这个接口要的值',
  40003: 'openid 不属于这个账号：同一个人在每个账号下的 openid 都不同',
  40004: '媒体类型不对：在 query 里写 type，并上传该类型的文件',
  40007: 'media_id 不存在或已失效：临时素材只保留三天',
  40013: 'appid 不对，或与所用 token 的账号不一致：看看请求选中的是哪个账号',
  40014: TOKEN_REFUSED,
  40029: '登录 code 已用过或超过 5 分钟：让用户重新登录',
  40037: 'template_id 不属于这个账号',
  40066: '微信没有这个路径：请对照微信文档',
  40097: '参数有误：请对照微信文档',
  40125: 'AppSecret 不对或已重置：从微信后台复制当前的 AppSecret',
  40163: '登录 code 已用过：每个 code 只能用一次',
  40164: '本机 IP 不在该账号的白名单里：请在微信后台添加',
  40226: '微信因风险拦截了该用户登录：由用户在微信里处理',
  41001: 'token 没有到达微信：看看途中谁改了 query',
  41002: '缺少 appid：这个接口要求作为参数传入',
  41005: '文件没有到达微信：上传须是表单，且该部分带 filename',
  42001: TOKEN_REFUSED,
  43001: '这个接口只接受 GET',
  43002: '这个接口只接受 POST',
  43004: '用户没有关注该账号：只能给关注者发消息',
  44002: '请求体为空：请按微信文档发送 JSON',
  45009: '该接口当天的次数已用完：/cgi-bin/clear_quota 每月可清零十次；请减少调用',
  45011: '该接口这一分钟内调用过多：请放慢',
  45015: '用户 48 小时内没有发过消息，不能回复：请改用模板消息或订阅消息',
  45047: '用户上次发消息以来，给他发的消息太多：等用户再发一条',
  47001: '请求体不是这个接口要的 JSON：请对照微信文档',
  48001: '该账号无权使用这个接口：在微信后台申请权限，或换一个账号',
  48004: '微信收回了该账号的这项权限：原因见微信后台的通知',
  50001: '用户没有授权：登录时请求相应的 scope',
  50002: RESTRICTED,
  61007: '第三方平台没有获得这项权限：请账号所有者授权',
  87009: '签名无效：看看用来签名的 session_key',
  87014: '内容违规：这是微信的判定，不是故障',
};

const BAD_SECRET = 'AppSecret 不对或已重置：从微信后台复制当前的 AppSecret';
const CHANGED_REQUEST = '微信看不懂这个请求：检查上游地址，以及途中有没有谁改动请求';
const NOT_WHITELISTED = '把微信指出的 IP 加进该账号的 IP 白名单（微信后台）';
const UNCONFIRMED = '需要账号管理员在微信里确认这次调用：请联系管理员';

const TOKEN_ADVICE = {
  '-1': '微信繁忙：无须处理，稍后会自动重试',
  40001: BAD_SECRET,
  40002: CHANGED_REQUEST,
  40013: '微信不认识这个 appid：与微信后台的对照一下',
  40066: '上游没有这个 token 接口：检查上游地址，或改用普通接口（classic）',
  40125: BAD_SECRET,
  40164: NOT_WHITELISTED,
  40243: 'AppSecret 已冻结：请管理员在微信后台解冻',
  41002: 'appid 为空：请设置账号的 appid',
  41004: 'AppSecret 为空：请设置账号的 secret',
  43002: CHANGED_REQUEST,
  45009: '当天的次数已用完：/cgi-bin/clear_quota/v2 可以清零，稳定版接口另有配额；找出还有谁在为该账号取 token',
  45011: '这一分钟内调用过多：找出还有谁在为该账号取 token',
  50002: RESTRICTED,
  50004: RESTRICTED,
  61004: NOT_WHITELISTED,
  61024: '这个 appid 属于第三方平台，token 要用别的方式取得：请换一个 appid',
  89501: UNCONFIRMED,
  89503: UNCONFIRMED,
  89506: '管理员拒绝了这个 IP，24 小时内有效：请联系管理员放行',
  89507: '管理员拒绝了这个 IP，1 小时内有效：请联系管理员放行',
};
