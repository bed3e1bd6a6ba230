BEGIN TRANSACTION;
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('v3.2.0.a');
CREATE TABLE autotune_alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT autotune_alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "autotune_alembic_version" VALUES('0001');
CREATE TABLE autotune_study (
	id INTEGER NOT NULL, 
	name VARCHAR(512) NOT NULL, 
	created_at DATETIME NOT NULL, 
	"plan" JSON NOT NULL, 
	target JSON NOT NULL, 
	blueprint JSON NOT NULL, 
	workload JSON NOT NULL, 
	choices JSON NOT NULL, 
	PRIMARY KEY (id), 
	UNIQUE (name)
);
INSERT INTO "autotune_study" VALUES(1,'golden','2026-11-21 10:50:22.272252','{"study": "golden", "workload": {"model": "demo", "revision": "", "prompts": ["a photograph of an astronaut riding a horse"], "seeds": [0], "width_px": 0, "height_px": 0, "steps": 20, "guidance": 5.0, "batch": 1, "trust_remote_code": false}, "device": "auto", "objectives": ["latency_s", "memory_bytes", "similarity"], "memory_limit_bytes": 1073741824, "min_similarity": 0.9, "budget": {"trials": 12, "seconds": null}, "trial_time_s": 900.0, "seed": 2, "allow_approximate": false, "knobs": {}, "protocol": {"settle_min": 2, "settle_max": 6, "settle_agreement": 0.05, "calls_min": 5, "calls_max": 20, "interval": 0.01, "timing_s": 120.0}, "threads": 0}','{"device": "cpu", "name": "Abacus", "memory_bytes": 17179869184, "compute_capability": null, "cores": 2, "libraries": {}, "backends": [], "has_compiler": false}','{"pipeline_class": "StableDiffusionPipeline", "parts": {}, "abilities": [], "scheduler": "", "prediction": "epsilon", "facts": {}}','{"model": "demo", "revision": "", "prompts": ["a photograph of an astronaut riding a horse"], "seeds": [0], "width_px": 64, "height_px": 64, "steps": 20, "guidance": 5.0, "batch": 1, "trust_remote_code": false}','[["attention_slicing", ["none", "auto", "max"]], ["channels_last", [false, true]], ["compile", ["none", "regional", "full"]], ["dtype", ["float32", "bfloat16", "float16"]], ["fuse_qkv", [false, true]], ["prompt_embeds", ["live", "precomputed"]], ["quantization", ["none", "int8_weight_only", "int8_dynamic"]], ["vae_slicing", [false, true]], ["vae_tiling", [0, 256, 512]], ["steps", [20]]]');
CREATE TABLE autotune_trial (
	id INTEGER NOT NULL, 
	study_id INTEGER NOT NULL, 
	number INTEGER NOT NULL, 
	digest VARCHAR(12) NOT NULL, 
	settings JSON NOT NULL, 
	changed JSON NOT NULL, 
	preset VARCHAR(80) NOT NULL, 
	folder VARCHAR(1024) NOT NULL, 
	state VARCHAR(16) NOT NULL, 
	started_at DATETIME NOT NULL, 
	finished_at DATETIME, 
	seconds FLOAT, 
	outcome_kind VARCHAR(32), 
	outcome JSON, 
	PRIMARY KEY (id), 
	UNIQUE (study_id, number), 
	FOREIGN KEY(study_id) REFERENCES autotune_study (id) ON DELETE CASCADE
);
INSERT INTO "autotune_trial" VALUES(1,1,0,'3931de8e3a51','{"attention_slicing": "none", "channels_last": false, "compile": "none", "dtype": "float32", "fuse_qkv": false, "prompt_embeds": "live", "quantization": "none", "vae_slicing": false, "vae_tiling": 0, "steps": 20}','{}','untuned','golden/trials/0000-3931de8e3a51','told','2026-11-21 10:50:22.494989','2026-11-21 10:50:22.507205',4.06575999932101694867e-04,'measurement','{"outcome": "measurement", "schema_version": 1, "calls_s": [2.034658215045929, 2.0366928732609746, 2.0387275314760207, 2.0407621896910664, 2.0427968479061125], "warmup_s": [6.103974645137787], "phases_s": {"fork": 0.01, "load": 0.5, "apply": 0.1, "first call": 6.103974645137787}, "batch": 1, "parts": {"text_s": 0.01, "steps_s": [0.10173291075229644, 0.10173291075229644, 0.10173291075229644, 0.10173291075229644, 0.10173291075229644, 0.10173291075229644, 0.10173291075229644, 0.10173291075229644, 0.10173291075229644, 0.10173291075229644, 0.10173291075229644, 0.10173291075229644, 0.10173291075229644, 0.10173291075229644, 0.10173291075229644, 0.10173291075229644, 0.10173291075229644, 0.10173291075229644, 0.10173291075229644, 0.10173291075229644], "decode_s": 0.1, "total_s": 2.034658215045929}, "memory": {"peak_bytes": 1258291200, "stages": {}, "detail": {}}, "likeness": {"haarpsi": [1.0], "psnr_db": [], "judge": null}, "pictures": ["0.png"], "warnings": [], "environment": {}}');
INSERT INTO "autotune_trial" VALUES(2,1,1,'31839bf14452','{"attention_slicing": "none", "channels_last": false, "compile": "none", "dtype": "float16", "fuse_qkv": false, "prompt_embeds": "live", "quantization": "none", "vae_slicing": false, "vae_tiling": 0, "steps": 20}','{"dtype": "float16"}','half precision','golden/trials/0001-31839bf14452','told','2026-11-21 10:50:22.777567','2026-11-21 10:50:22.779218',3.7780399998155189678e-04,'measurement','{"outcome": "measurement", "schema_version": 1, "calls_s": [1.018951860666275, 1.0199708125269413, 1.0209897643876076, 1.0220087162482738, 1.02302766810894], "warmup_s": [3.0568555819988252], "phases_s": {"fork": 0.01, "load": 0.5, "apply": 0.1, "first call": 3.0568555819988252}, "batch": 1, "parts": {"text_s": 0.01, "steps_s": [0.050947593033313754, 0.050947593033313754, 0.050947593033313754, 0.050947593033313754, 0.050947593033313754, 0.050947593033313754, 0.050947593033313754, 0.050947593033313754, 0.050947593033313754, 0.050947593033313754, 0.050947593033313754, 0.050947593033313754, 0.050947593033313754, 0.050947593033313754, 0.050947593033313754, 0.050947593033313754, 0.050947593033313754, 0.050947593033313754, 0.050947593033313754, 0.050947593033313754], "decode_s": 0.1, "total_s": 1.018951860666275}, "memory": {"peak_bytes": 692060160, "stages": {}, "detail": {}}, "likeness": {"haarpsi": [0.99], "psnr_db": [], "judge": null}, "pictures": ["0.png"], "warnings": [], "environment": {}}');
INSERT INTO "autotune_trial" VALUES(3,1,2,'53d1f6287450','{"attention_slicing": "none", "channels_last": true, "compile": "none", "dtype": "float16", "fuse_qkv": false, "prompt_embeds": "live", "quantization": "none", "vae_slicing": false, "vae_tiling": 0, "steps": 20}','{"channels_last": true, "dtype": "float16"}','half precision, channels last','golden/trials/0002-53d1f6287450','told','2026-11-21 10:50:23.024786','2026-11-21 10:50:23.026672',4.55289000001357635483e-04,'measurement','{"outcome": "measurement", "schema_version": 1, "calls_s": [0.9313853900313378, 0.932316775421369, 0.9332481608114005, 0.9341795462014317, 0.9351109315914632], "warmup_s": [2.7941561700940136], "phases_s": {"fork": 0.01, "load": 0.5, "apply": 0.1, "first call": 2.7941561700940136}, "batch": 1, "parts": {"text_s": 0.01, "steps_s": [0.04656926950156689, 0.04656926950156689, 0.04656926950156689, 0.04656926950156689, 0.04656926950156689, 0.04656926950156689, 0.04656926950156689, 0.04656926950156689, 0.04656926950156689, 0.04656926950156689, 0.04656926950156689, 0.04656926950156689, 0.04656926950156689, 0.04656926950156689, 0.04656926950156689, 0.04656926950156689, 0.04656926950156689, 0.04656926950156689, 0.04656926950156689, 0.04656926950156689], "decode_s": 0.1, "total_s": 0.9313853900313378}, "memory": {"peak_bytes": 692060160, "stages": {}, "detail": {}}, "likeness": {"haarpsi": [0.99], "psnr_db": [], "judge": null}, "pictures": ["0.png"], "warnings": [], "environment": {}}');
INSERT INTO "autotune_trial" VALUES(4,1,3,'5eea1c75a7a3','{"attention_slicing": "none", "channels_last": true, "compile": "regional", "dtype": "bfloat16", "fuse_qkv": false, "prompt_embeds": "live", "quantization": "none", "vae_slicing": false, "vae_tiling": 0, "steps": 20}','{"channels_last": true, "compile": "regional", "dtype": "bfloat16"}','regional compile','golden/trials/0003-5eea1c75a7a3','told','2026-11-21 10:50:23.271005','2026-11-21 10:50:23.285620',5.2597400008380645886e-04,'measurement','{"outcome": "measurement", "schema_version": 1, "calls_s": [0.832987158771515, 0.8338201459302864, 0.834653133089058, 0.8354861202478294, 0.836319107406601], "warmup_s": [2.4989614763145447], "phases_s": {"fork": 0.01, "load": 0.5, "apply": 0.1, "first call": 2.4989614763145447}, "batch": 1, "parts": {"text_s": 0.01, "steps_s": [0.04164935793857575, 0.04164935793857575, 0.04164935793857575, 0.04164935793857575, 0.04164935793857575, 0.04164935793857575, 0.04164935793857575, 0.04164935793857575, 0.04164935793857575, 0.04164935793857575, 0.04164935793857575, 0.04164935793857575, 0.04164935793857575, 0.04164935793857575, 0.04164935793857575, 0.04164935793857575, 0.04164935793857575, 0.04164935793857575, 0.04164935793857575, 0.04164935793857575], "decode_s": 0.1, "total_s": 0.832987158771515}, "memory": {"peak_bytes": 761266176, "stages": {}, "detail": {}}, "likeness": {"haarpsi": [0.97], "psnr_db": [], "judge": null}, "pictures": ["0.png"], "warnings": [], "environment": {}}');
INSERT INTO "autotune_trial" VALUES(5,1,4,'75ad7a2b76f8','{"attention_slicing": "none", "channels_last": true, "compile": "full", "dtype": "bfloat16", "fuse_qkv": true, "prompt_embeds": "live", "quantization": "none", "vae_slicing": false, "vae_tiling": 0, "steps": 20}','{"channels_last": true, "compile": "full", "dtype": "bfloat16", "fuse_qkv": true}','diffusion, fast','golden/trials/0004-75ad7a2b76f8','told','2026-11-21 10:50:23.498891','2026-11-21 10:50:23.509232',6.81956999869726132601e-04,'measurement','{"outcome": "measurement", "schema_version": 1, "calls_s": [0.7084378786303461, 0.7091463165089764, 0.7098547543876068, 0.7105631922662371, 0.7112716301448675], "warmup_s": [2.1253136358910383], "phases_s": {"fork": 0.01, "load": 0.5, "apply": 0.1, "first call": 2.1253136358910383}, "batch": 1, "parts": {"text_s": 0.01, "steps_s": [0.035421893931517304, 0.035421893931517304, 0.035421893931517304, 0.035421893931517304, 0.035421893931517304, 0.035421893931517304, 0.035421893931517304, 0.035421893931517304, 0.035421893931517304, 0.035421893931517304, 0.035421893931517304, 0.035421893931517304, 0.035421893931517304, 0.035421893931517304, 0.035421893931517304, 0.035421893931517304, 0.035421893931517304, 0.035421893931517304, 0.035421893931517304, 0.035421893931517304], "decode_s": 0.1, "total_s": 0.7084378786303461}, "memory": {"peak_bytes": 916979712, "stages": {}, "detail": {}}, "likeness": {"haarpsi": [0.97], "psnr_db": [], "judge": null}, "pictures": ["0.png"], "warnings": [], "environment": {}}');
INSERT INTO "autotune_trial" VALUES(6,1,5,'0c08080fadf7','{"attention_slicing": "none", "channels_last": false, "compile": "none", "dtype": "float16", "fuse_qkv": false, "prompt_embeds": "precomputed", "quantization": "none", "vae_slicing": true, "vae_tiling": 0, "steps": 20}','{"dtype": "float16", "prompt_embeds": "precomputed", "vae_slicing": true}','small','golden/trials/0005-0c08080fadf7','told','2026-11-21 10:50:23.734178','2026-11-21 10:50:23.748468',4.75930999982665525749e-04,'measurement','{"outcome": "measurement", "schema_version": 1, "calls_s": [1.0025166118144988, 1.0035191284263132, 1.0045216450381278, 1.0055241616499422, 1.0065266782617568], "warmup_s": [3.0075498354434966], "phases_s": {"fork": 0.01, "load": 0.5, "apply": 0.1, "first call": 3.0075498354434966}, "batch": 1, "parts": {"text_s": 0.01, "steps_s": [0.05012583059072494, 0.05012583059072494, 0.05012583059072494, 0.05012583059072494, 0.05012583059072494, 0.05012583059072494, 0.05012583059072494, 0.05012583059072494, 0.05012583059072494, 0.05012583059072494, 0.05012583059072494, 0.05012583059072494, 0.05012583059072494, 0.05012583059072494, 0.05012583059072494, 0.05012583059072494, 0.05012583059072494, 0.05012583059072494, 0.05012583059072494, 0.05012583059072494], "decode_s": 0.1, "total_s": 1.0025166118144988}, "memory": {"peak_bytes": 529426022, "stages": {}, "detail": {}}, "likeness": {"haarpsi": [0.99], "psnr_db": [], "judge": null}, "pictures": ["0.png"], "warnings": [], "environment": {}}');
INSERT INTO "autotune_trial" VALUES(7,1,6,'84124ba437ea','{"attention_slicing": "none", "channels_last": true, "compile": "full", "dtype": "bfloat16", "fuse_qkv": false, "prompt_embeds": "live", "quantization": "int8_dynamic", "vae_slicing": false, "vae_tiling": 0, "steps": 20}','{"channels_last": true, "compile": "full", "dtype": "bfloat16", "quantization": "int8_dynamic"}','int8, fast','golden/trials/0006-84124ba437ea','told','2026-11-21 10:50:23.996854','2026-11-21 10:50:23.998851',5.39425000170012935996e-04,'measurement','{"outcome": "measurement", "schema_version": 1, "calls_s": [0.6105157566564917, 0.6111262724131481, 0.6117367881698047, 0.6123473039264611, 0.6129578196831177], "warmup_s": [1.8315472699694753], "phases_s": {"fork": 0.01, "load": 0.5, "apply": 0.1, "first call": 1.8315472699694753}, "batch": 1, "parts": {"text_s": 0.01, "steps_s": [0.030525787832824586, 0.030525787832824586, 0.030525787832824586, 0.030525787832824586, 0.030525787832824586, 0.030525787832824586, 0.030525787832824586, 0.030525787832824586, 0.030525787832824586, 0.030525787832824586, 0.030525787832824586, 0.030525787832824586, 0.030525787832824586, 0.030525787832824586, 0.030525787832824586, 0.030525787832824586, 0.030525787832824586, 0.030525787832824586, 0.030525787832824586, 0.030525787832824586], "decode_s": 0.1, "total_s": 0.6105157566564917}, "memory": {"peak_bytes": 692060160, "stages": {}, "detail": {}}, "likeness": {"haarpsi": [0.9099999999999999], "psnr_db": [], "judge": null}, "pictures": ["0.png"], "warnings": [], "environment": {}}');
INSERT INTO "autotune_trial" VALUES(8,1,7,'b3c3d7d3284c','{"attention_slicing": "none", "channels_last": false, "compile": "none", "dtype": "float16", "fuse_qkv": false, "prompt_embeds": "precomputed", "quantization": "none", "vae_slicing": false, "vae_tiling": 0, "steps": 20}','{"dtype": "float16", "prompt_embeds": "precomputed"}','precomputed prompts','golden/trials/0007-b3c3d7d3284c','told','2026-11-21 10:50:24.229037','2026-11-21 10:50:24.231091',5.063849998805380892e-04,'measurement','{"outcome": "measurement", "schema_version": 1, "calls_s": [1.0055025124549866, 1.0065080149674415, 1.0075135174798966, 1.0085190199923515, 1.0095245225048066], "warmup_s": [3.0165075373649595], "phases_s": {"fork": 0.01, "load": 0.5, "apply": 0.1, "first call": 3.0165075373649595}, "batch": 1, "parts": {"text_s": 0.01, "steps_s": [0.05027512562274933, 0.05027512562274933, 0.05027512562274933, 0.05027512562274933, 0.05027512562274933, 0.05027512562274933, 0.05027512562274933, 0.05027512562274933, 0.05027512562274933, 0.05027512562274933, 0.05027512562274933, 0.05027512562274933, 0.05027512562274933, 0.05027512562274933, 0.05027512562274933, 0.05027512562274933, 0.05027512562274933, 0.05027512562274933, 0.05027512562274933, 0.05027512562274933], "decode_s": 0.1, "total_s": 1.0055025124549866}, "memory": {"peak_bytes": 588251136, "stages": {}, "detail": {}}, "likeness": {"haarpsi": [0.99], "psnr_db": [], "judge": null}, "pictures": ["0.png"], "warnings": [], "environment": {}}');
INSERT INTO "autotune_trial" VALUES(9,1,8,'b41202d97793','{"attention_slicing": "auto", "channels_last": true, "compile": "none", "dtype": "float16", "fuse_qkv": false, "prompt_embeds": "live", "quantization": "int8_weight_only", "vae_slicing": false, "vae_tiling": 256, "steps": 20}','{"attention_slicing": "auto", "channels_last": true, "dtype": "float16", "quantization": "int8_weight_only", "vae_tiling": 256}','','golden/trials/0008-b41202d97793','told','2026-11-21 10:50:24.482589','2026-11-21 10:50:24.497140',1.27477830001225811429e-02,'unsupported','{"outcome": "failure", "schema_version": 1, "kind": "unsupported", "message": "A synthetic unsupported.", "phase": "first call", "knob": "", "log": "Traceback\nBoom", "phases_s": {}, "environment": {}}');
INSERT INTO "autotune_trial" VALUES(10,1,9,'87127dcb5e8a','{"attention_slicing": "none", "channels_last": true, "compile": "none", "dtype": "bfloat16", "fuse_qkv": true, "prompt_embeds": "live", "quantization": "none", "vae_slicing": true, "vae_tiling": 256, "steps": 20}','{"channels_last": true, "dtype": "bfloat16", "fuse_qkv": true, "vae_slicing": true, "vae_tiling": 256}','','golden/trials/0009-87127dcb5e8a','told','2026-11-21 10:50:24.687284','2026-11-21 10:50:24.707856',5.77170999804366147145e-04,'measurement','{"outcome": "measurement", "schema_version": 1, "calls_s": [1.0117654595311762, 1.0127772249907072, 1.0137889904502386, 1.0148007559097696, 1.015812521369301], "warmup_s": [3.0352963785935287], "phases_s": {"fork": 0.01, "load": 0.5, "apply": 0.1, "first call": 3.0352963785935287}, "batch": 1, "parts": {"text_s": 0.01, "steps_s": [0.05058827297655881, 0.05058827297655881, 0.05058827297655881, 0.05058827297655881, 0.05058827297655881, 0.05058827297655881, 0.05058827297655881, 0.05058827297655881, 0.05058827297655881, 0.05058827297655881, 0.05058827297655881, 0.05058827297655881, 0.05058827297655881, 0.05058827297655881, 0.05058827297655881, 0.05058827297655881, 0.05058827297655881, 0.05058827297655881, 0.05058827297655881, 0.05058827297655881], "decode_s": 0.1, "total_s": 1.0117654595311762}, "memory": {"peak_bytes": 462157775, "stages": {}, "detail": {}}, "likeness": {"haarpsi": [0.95], "psnr_db": [], "judge": null}, "pictures": ["0.png"], "warnings": [], "environment": {}}');
INSERT INTO "autotune_trial" VALUES(11,1,10,'8d11a2f95dde','{"attention_slicing": "none", "channels_last": false, "compile": "full", "dtype": "bfloat16", "fuse_qkv": false, "prompt_embeds": "live", "quantization": "int8_dynamic", "vae_slicing": false, "vae_tiling": 512, "steps": 20}','{"compile": "full", "dtype": "bfloat16", "quantization": "int8_dynamic", "vae_tiling": 512}','','golden/trials/0010-8d11a2f95dde','told','2026-11-21 10:50:24.954399','2026-11-21 10:50:24.964754',8.75103899988971534185e-03,'crash','{"outcome": "failure", "schema_version": 1, "kind": "crash", "message": "A synthetic crash.", "phase": "first call", "knob": "", "log": "Traceback\nBoom", "phases_s": {}, "environment": {}}');
INSERT INTO "autotune_trial" VALUES(12,1,11,'d784a57db817','{"attention_slicing": "max", "channels_last": true, "compile": "none", "dtype": "bfloat16", "fuse_qkv": false, "prompt_embeds": "precomputed", "quantization": "int8_dynamic", "vae_slicing": false, "vae_tiling": 0, "steps": 20}','{"attention_slicing": "max", "channels_last": true, "dtype": "bfloat16", "prompt_embeds": "precomputed", "quantization": "int8_dynamic"}','','golden/trials/0011-d784a57db817','told','2026-11-21 10:50:25.186949','2026-11-21 10:50:25.201370',5.42027999927086057141e-04,'measurement','{"outcome": "measurement", "schema_version": 1, "calls_s": [1.144217085014123, 1.145361302099137, 1.1465055191841511, 1.147649736269165, 1.1487939533541793], "warmup_s": [3.4326512550423685], "phases_s": {"fork": 0.01, "load": 0.5, "apply": 0.1, "first call": 3.4326512550423685}, "batch": 1, "parts": {"text_s": 0.01, "steps_s": [0.05721085425070614, 0.05721085425070614, 0.05721085425070614, 0.05721085425070614, 0.05721085425070614, 0.05721085425070614, 0.05721085425070614, 0.05721085425070614, 0.05721085425070614, 0.05721085425070614, 0.05721085425070614, 0.05721085425070614, 0.05721085425070614, 0.05721085425070614, 0.05721085425070614, 0.05721085425070614, 0.05721085425070614, 0.05721085425070614, 0.05721085425070614, 0.05721085425070614], "decode_s": 0.1, "total_s": 1.144217085014123}, "memory": {"peak_bytes": 470600909, "stages": {}, "detail": {}}, "likeness": {"haarpsi": [0.9099999999999999], "psnr_db": [], "judge": null}, "pictures": ["0.png"], "warnings": [], "environment": {}}');
CREATE TABLE studies (
	study_id INTEGER NOT NULL, 
	study_name VARCHAR(512) NOT NULL, 
	PRIMARY KEY (study_id)
);
INSERT INTO "studies" VALUES(1,'golden');
CREATE TABLE study_directions (
	study_direction_id INTEGER NOT NULL, 
	direction VARCHAR(8) NOT NULL, 
	study_id INTEGER NOT NULL, 
	objective INTEGER NOT NULL, 
	PRIMARY KEY (study_direction_id), 
	UNIQUE (study_id, objective), 
	FOREIGN KEY(study_id) REFERENCES studies (study_id)
);
INSERT INTO "study_directions" VALUES(1,'MINIMIZE',1,0);
INSERT INTO "study_directions" VALUES(2,'MINIMIZE',1,1);
INSERT INTO "study_directions" VALUES(3,'MAXIMIZE',1,2);
CREATE TABLE study_system_attributes (
	study_system_attribute_id INTEGER NOT NULL, 
	study_id INTEGER, 
	"key" VARCHAR(512), 
	value_json TEXT, 
	PRIMARY KEY (study_system_attribute_id), 
	UNIQUE (study_id, "key"), 
	FOREIGN KEY(study_id) REFERENCES studies (study_id)
);
INSERT INTO "study_system_attributes" VALUES(1,1,'study:metric_names','["latency_s", "memory_gib", "similarity"]');
CREATE TABLE study_user_attributes (
	study_user_attribute_id INTEGER NOT NULL, 
	study_id INTEGER, 
	"key" VARCHAR(512), 
	value_json TEXT, 
	PRIMARY KEY (study_user_attribute_id), 
	UNIQUE (study_id, "key"), 
	FOREIGN KEY(study_id) REFERENCES studies (study_id)
);
CREATE TABLE trial_heartbeats (
	trial_heartbeat_id INTEGER NOT NULL, 
	trial_id INTEGER NOT NULL, 
	heartbeat DATETIME NOT NULL, 
	PRIMARY KEY (trial_heartbeat_id), 
	UNIQUE (trial_id), 
	FOREIGN KEY(trial_id) REFERENCES trials (trial_id)
);
CREATE TABLE trial_intermediate_values (
	trial_intermediate_value_id INTEGER NOT NULL, 
	trial_id INTEGER NOT NULL, 
	step INTEGER NOT NULL, 
	intermediate_value FLOAT, 
	intermediate_value_type VARCHAR(7) NOT NULL, 
	PRIMARY KEY (trial_intermediate_value_id), 
	UNIQUE (trial_id, step), 
	FOREIGN KEY(trial_id) REFERENCES trials (trial_id)
);
CREATE TABLE trial_params (
	param_id INTEGER NOT NULL, 
	trial_id INTEGER, 
	param_name VARCHAR(512), 
	param_value FLOAT, 
	distribution_json TEXT, 
	PRIMARY KEY (param_id), 
	UNIQUE (trial_id, param_name), 
	FOREIGN KEY(trial_id) REFERENCES trials (trial_id)
);
INSERT INTO "trial_params" VALUES(1,1,'attention_slicing',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["none", "auto", "max"]}}');
INSERT INTO "trial_params" VALUES(2,1,'channels_last',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [false, true]}}');
INSERT INTO "trial_params" VALUES(3,1,'compile',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["none", "regional", "full"]}}');
INSERT INTO "trial_params" VALUES(4,1,'dtype',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["float32", "bfloat16", "float16"]}}');
INSERT INTO "trial_params" VALUES(5,1,'fuse_qkv',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [false, true]}}');
INSERT INTO "trial_params" VALUES(6,1,'prompt_embeds',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["live", "precomputed"]}}');
INSERT INTO "trial_params" VALUES(7,1,'quantization',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["none", "int8_weight_only", "int8_dynamic"]}}');
INSERT INTO "trial_params" VALUES(8,1,'vae_slicing',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [false, true]}}');
INSERT INTO "trial_params" VALUES(9,1,'vae_tiling',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [0, 256, 512]}}');
INSERT INTO "trial_params" VALUES(10,1,'steps',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [20]}}');
INSERT INTO "trial_params" VALUES(11,2,'attention_slicing',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["none", "auto", "max"]}}');
INSERT INTO "trial_params" VALUES(12,2,'channels_last',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [false, true]}}');
INSERT INTO "trial_params" VALUES(13,2,'compile',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["none", "regional", "full"]}}');
INSERT INTO "trial_params" VALUES(14,2,'dtype',2.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["float32", "bfloat16", "float16"]}}');
INSERT INTO "trial_params" VALUES(15,2,'fuse_qkv',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [false, true]}}');
INSERT INTO "trial_params" VALUES(16,2,'prompt_embeds',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["live", "precomputed"]}}');
INSERT INTO "trial_params" VALUES(17,2,'quantization',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["none", "int8_weight_only", "int8_dynamic"]}}');
INSERT INTO "trial_params" VALUES(18,2,'vae_slicing',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [false, true]}}');
INSERT INTO "trial_params" VALUES(19,2,'vae_tiling',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [0, 256, 512]}}');
INSERT INTO "trial_params" VALUES(20,2,'steps',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [20]}}');
INSERT INTO "trial_params" VALUES(21,3,'attention_slicing',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["none", "auto", "max"]}}');
INSERT INTO "trial_params" VALUES(22,3,'channels_last',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [false, true]}}');
INSERT INTO "trial_params" VALUES(23,3,'compile',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["none", "regional", "full"]}}');
INSERT INTO "trial_params" VALUES(24,3,'dtype',2.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["float32", "bfloat16", "float16"]}}');
INSERT INTO "trial_params" VALUES(25,3,'fuse_qkv',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [false, true]}}');
INSERT INTO "trial_params" VALUES(26,3,'prompt_embeds',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["live", "precomputed"]}}');
INSERT INTO "trial_params" VALUES(27,3,'quantization',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["none", "int8_weight_only", "int8_dynamic"]}}');
INSERT INTO "trial_params" VALUES(28,3,'vae_slicing',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [false, true]}}');
INSERT INTO "trial_params" VALUES(29,3,'vae_tiling',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [0, 256, 512]}}');
INSERT INTO "trial_params" VALUES(30,3,'steps',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [20]}}');
INSERT INTO "trial_params" VALUES(31,4,'attention_slicing',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["none", "auto", "max"]}}');
INSERT INTO "trial_params" VALUES(32,4,'channels_last',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [false, true]}}');
INSERT INTO "trial_params" VALUES(33,4,'compile',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["none", "regional", "full"]}}');
INSERT INTO "trial_params" VALUES(34,4,'dtype',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["float32", "bfloat16", "float16"]}}');
INSERT INTO "trial_params" VALUES(35,4,'fuse_qkv',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [false, true]}}');
INSERT INTO "trial_params" VALUES(36,4,'prompt_embeds',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["live", "precomputed"]}}');
INSERT INTO "trial_params" VALUES(37,4,'quantization',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["none", "int8_weight_only", "int8_dynamic"]}}');
INSERT INTO "trial_params" VALUES(38,4,'vae_slicing',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [false, true]}}');
INSERT INTO "trial_params" VALUES(39,4,'vae_tiling',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [0, 256, 512]}}');
INSERT INTO "trial_params" VALUES(40,4,'steps',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [20]}}');
INSERT INTO "trial_params" VALUES(41,5,'attention_slicing',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["none", "auto", "max"]}}');
INSERT INTO "trial_params" VALUES(42,5,'channels_last',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [false, true]}}');
INSERT INTO "trial_params" VALUES(43,5,'compile',2.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["none", "regional", "full"]}}');
INSERT INTO "trial_params" VALUES(44,5,'dtype',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["float32", "bfloat16", "float16"]}}');
INSERT INTO "trial_params" VALUES(45,5,'fuse_qkv',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [false, true]}}');
INSERT INTO "trial_params" VALUES(46,5,'prompt_embeds',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["live", "precomputed"]}}');
INSERT INTO "trial_params" VALUES(47,5,'quantization',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["none", "int8_weight_only", "int8_dynamic"]}}');
INSERT INTO "trial_params" VALUES(48,5,'vae_slicing',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [false, true]}}');
INSERT INTO "trial_params" VALUES(49,5,'vae_tiling',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [0, 256, 512]}}');
INSERT INTO "trial_params" VALUES(50,5,'steps',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [20]}}');
INSERT INTO "trial_params" VALUES(51,6,'attention_slicing',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["none", "auto", "max"]}}');
INSERT INTO "trial_params" VALUES(52,6,'channels_last',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [false, true]}}');
INSERT INTO "trial_params" VALUES(53,6,'compile',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["none", "regional", "full"]}}');
INSERT INTO "trial_params" VALUES(54,6,'dtype',2.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["float32", "bfloat16", "float16"]}}');
INSERT INTO "trial_params" VALUES(55,6,'fuse_qkv',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [false, true]}}');
INSERT INTO "trial_params" VALUES(56,6,'prompt_embeds',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["live", "precomputed"]}}');
INSERT INTO "trial_params" VALUES(57,6,'quantization',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["none", "int8_weight_only", "int8_dynamic"]}}');
INSERT INTO "trial_params" VALUES(58,6,'vae_slicing',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [false, true]}}');
INSERT INTO "trial_params" VALUES(59,6,'vae_tiling',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [0, 256, 512]}}');
INSERT INTO "trial_params" VALUES(60,6,'steps',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [20]}}');
INSERT INTO "trial_params" VALUES(61,7,'attention_slicing',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["none", "auto", "max"]}}');
INSERT INTO "trial_params" VALUES(62,7,'channels_last',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [false, true]}}');
INSERT INTO "trial_params" VALUES(63,7,'compile',2.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["none", "regional", "full"]}}');
INSERT INTO "trial_params" VALUES(64,7,'dtype',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["float32", "bfloat16", "float16"]}}');
INSERT INTO "trial_params" VALUES(65,7,'fuse_qkv',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [false, true]}}');
INSERT INTO "trial_params" VALUES(66,7,'prompt_embeds',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["live", "precomputed"]}}');
INSERT INTO "trial_params" VALUES(67,7,'quantization',2.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["none", "int8_weight_only", "int8_dynamic"]}}');
INSERT INTO "trial_params" VALUES(68,7,'vae_slicing',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [false, true]}}');
INSERT INTO "trial_params" VALUES(69,7,'vae_tiling',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [0, 256, 512]}}');
INSERT INTO "trial_params" VALUES(70,7,'steps',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [20]}}');
INSERT INTO "trial_params" VALUES(71,8,'attention_slicing',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["none", "auto", "max"]}}');
INSERT INTO "trial_params" VALUES(72,8,'channels_last',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [false, true]}}');
INSERT INTO "trial_params" VALUES(73,8,'compile',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["none", "regional", "full"]}}');
INSERT INTO "trial_params" VALUES(74,8,'dtype',2.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["float32", "bfloat16", "float16"]}}');
INSERT INTO "trial_params" VALUES(75,8,'fuse_qkv',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [false, true]}}');
INSERT INTO "trial_params" VALUES(76,8,'prompt_embeds',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["live", "precomputed"]}}');
INSERT INTO "trial_params" VALUES(77,8,'quantization',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["none", "int8_weight_only", "int8_dynamic"]}}');
INSERT INTO "trial_params" VALUES(78,8,'vae_slicing',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [false, true]}}');
INSERT INTO "trial_params" VALUES(79,8,'vae_tiling',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [0, 256, 512]}}');
INSERT INTO "trial_params" VALUES(80,8,'steps',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [20]}}');
INSERT INTO "trial_params" VALUES(81,9,'attention_slicing',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["none", "auto", "max"]}}');
INSERT INTO "trial_params" VALUES(82,9,'channels_last',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [false, true]}}');
INSERT INTO "trial_params" VALUES(83,9,'compile',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["none", "regional", "full"]}}');
INSERT INTO "trial_params" VALUES(84,9,'dtype',2.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["float32", "bfloat16", "float16"]}}');
INSERT INTO "trial_params" VALUES(85,9,'fuse_qkv',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [false, true]}}');
INSERT INTO "trial_params" VALUES(86,9,'prompt_embeds',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["live", "precomputed"]}}');
INSERT INTO "trial_params" VALUES(87,9,'quantization',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["none", "int8_weight_only", "int8_dynamic"]}}');
INSERT INTO "trial_params" VALUES(88,9,'vae_slicing',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [false, true]}}');
INSERT INTO "trial_params" VALUES(89,9,'vae_tiling',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [0, 256, 512]}}');
INSERT INTO "trial_params" VALUES(90,9,'steps',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [20]}}');
INSERT INTO "trial_params" VALUES(91,10,'attention_slicing',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["none", "auto", "max"]}}');
INSERT INTO "trial_params" VALUES(92,10,'channels_last',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [false, true]}}');
INSERT INTO "trial_params" VALUES(93,10,'compile',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["none", "regional", "full"]}}');
INSERT INTO "trial_params" VALUES(94,10,'dtype',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["float32", "bfloat16", "float16"]}}');
INSERT INTO "trial_params" VALUES(95,10,'fuse_qkv',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [false, true]}}');
INSERT INTO "trial_params" VALUES(96,10,'prompt_embeds',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["live", "precomputed"]}}');
INSERT INTO "trial_params" VALUES(97,10,'quantization',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["none", "int8_weight_only", "int8_dynamic"]}}');
INSERT INTO "trial_params" VALUES(98,10,'vae_slicing',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [false, true]}}');
INSERT INTO "trial_params" VALUES(99,10,'vae_tiling',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [0, 256, 512]}}');
INSERT INTO "trial_params" VALUES(100,10,'steps',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [20]}}');
INSERT INTO "trial_params" VALUES(101,11,'attention_slicing',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["none", "auto", "max"]}}');
INSERT INTO "trial_params" VALUES(102,11,'channels_last',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [false, true]}}');
INSERT INTO "trial_params" VALUES(103,11,'compile',2.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["none", "regional", "full"]}}');
INSERT INTO "trial_params" VALUES(104,11,'dtype',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["float32", "bfloat16", "float16"]}}');
INSERT INTO "trial_params" VALUES(105,11,'fuse_qkv',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [false, true]}}');
INSERT INTO "trial_params" VALUES(106,11,'prompt_embeds',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["live", "precomputed"]}}');
INSERT INTO "trial_params" VALUES(107,11,'quantization',2.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["none", "int8_weight_only", "int8_dynamic"]}}');
INSERT INTO "trial_params" VALUES(108,11,'vae_slicing',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [false, true]}}');
INSERT INTO "trial_params" VALUES(109,11,'vae_tiling',2.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [0, 256, 512]}}');
INSERT INTO "trial_params" VALUES(110,11,'steps',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [20]}}');
INSERT INTO "trial_params" VALUES(111,12,'attention_slicing',2.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["none", "auto", "max"]}}');
INSERT INTO "trial_params" VALUES(112,12,'channels_last',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [false, true]}}');
INSERT INTO "trial_params" VALUES(113,12,'compile',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["none", "regional", "full"]}}');
INSERT INTO "trial_params" VALUES(114,12,'dtype',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["float32", "bfloat16", "float16"]}}');
INSERT INTO "trial_params" VALUES(115,12,'fuse_qkv',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [false, true]}}');
INSERT INTO "trial_params" VALUES(116,12,'prompt_embeds',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["live", "precomputed"]}}');
INSERT INTO "trial_params" VALUES(117,12,'quantization',2.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["none", "int8_weight_only", "int8_dynamic"]}}');
INSERT INTO "trial_params" VALUES(118,12,'vae_slicing',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [false, true]}}');
INSERT INTO "trial_params" VALUES(119,12,'vae_tiling',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [0, 256, 512]}}');
INSERT INTO "trial_params" VALUES(120,12,'steps',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [20]}}');
CREATE TABLE trial_system_attributes (
	trial_system_attribute_id INTEGER NOT NULL, 
	trial_id INTEGER, 
	"key" VARCHAR(512), 
	value_json TEXT, 
	PRIMARY KEY (trial_system_attribute_id), 
	UNIQUE (trial_id, "key"), 
	FOREIGN KEY(trial_id) REFERENCES trials (trial_id)
);
INSERT INTO "trial_system_attributes" VALUES(1,1,'constraints:memory_bytes','0.171875');
INSERT INTO "trial_system_attributes" VALUES(2,1,'constraints:similarity','-0.11111111111111108');
INSERT INTO "trial_system_attributes" VALUES(3,1,'constraints:failed','0.0');
INSERT INTO "trial_system_attributes" VALUES(4,1,'constraints','[0.171875, -0.11111111111111108, 0.0]');
INSERT INTO "trial_system_attributes" VALUES(6,2,'constraints:memory_bytes','-0.35546875');
INSERT INTO "trial_system_attributes" VALUES(7,2,'constraints:similarity','-0.09999999999999996');
INSERT INTO "trial_system_attributes" VALUES(8,2,'constraints:failed','0.0');
INSERT INTO "trial_system_attributes" VALUES(9,2,'constraints','[-0.35546875, -0.09999999999999996, 0.0]');
INSERT INTO "trial_system_attributes" VALUES(11,3,'constraints:memory_bytes','-0.35546875');
INSERT INTO "trial_system_attributes" VALUES(12,3,'constraints:similarity','-0.09999999999999996');
INSERT INTO "trial_system_attributes" VALUES(13,3,'constraints:failed','0.0');
INSERT INTO "trial_system_attributes" VALUES(14,3,'constraints','[-0.35546875, -0.09999999999999996, 0.0]');
INSERT INTO "trial_system_attributes" VALUES(16,4,'constraints:memory_bytes','-0.291015625');
INSERT INTO "trial_system_attributes" VALUES(17,4,'constraints:similarity','-0.07777777777777772');
INSERT INTO "trial_system_attributes" VALUES(18,4,'constraints:failed','0.0');
INSERT INTO "trial_system_attributes" VALUES(19,4,'constraints','[-0.291015625, -0.07777777777777772, 0.0]');
INSERT INTO "trial_system_attributes" VALUES(21,5,'constraints:memory_bytes','-0.14599609375');
INSERT INTO "trial_system_attributes" VALUES(22,5,'constraints:similarity','-0.07777777777777772');
INSERT INTO "trial_system_attributes" VALUES(23,5,'constraints:failed','0.0');
INSERT INTO "trial_system_attributes" VALUES(24,5,'constraints','[-0.14599609375, -0.07777777777777772, 0.0]');
INSERT INTO "trial_system_attributes" VALUES(26,6,'constraints:memory_bytes','-0.506933594122529');
INSERT INTO "trial_system_attributes" VALUES(27,6,'constraints:similarity','-0.09999999999999996');
INSERT INTO "trial_system_attributes" VALUES(28,6,'constraints:failed','0.0');
INSERT INTO "trial_system_attributes" VALUES(29,6,'constraints','[-0.506933594122529, -0.09999999999999996, 0.0]');
INSERT INTO "trial_system_attributes" VALUES(31,7,'constraints:memory_bytes','-0.35546875');
INSERT INTO "trial_system_attributes" VALUES(32,7,'constraints:similarity','-0.011111111111110997');
INSERT INTO "trial_system_attributes" VALUES(33,7,'constraints:failed','0.0');
INSERT INTO "trial_system_attributes" VALUES(34,7,'constraints','[-0.35546875, -0.011111111111110997, 0.0]');
INSERT INTO "trial_system_attributes" VALUES(36,8,'constraints:memory_bytes','-0.4521484375');
INSERT INTO "trial_system_attributes" VALUES(37,8,'constraints:similarity','-0.09999999999999996');
INSERT INTO "trial_system_attributes" VALUES(38,8,'constraints:failed','0.0');
INSERT INTO "trial_system_attributes" VALUES(39,8,'constraints','[-0.4521484375, -0.09999999999999996, 0.0]');
INSERT INTO "trial_system_attributes" VALUES(41,9,'constraints:failed','1.0');
INSERT INTO "trial_system_attributes" VALUES(42,9,'constraints','[1.0]');
INSERT INTO "trial_system_attributes" VALUES(43,10,'constraints:memory_bytes','-0.569582031108439');
INSERT INTO "trial_system_attributes" VALUES(44,10,'constraints:similarity','-0.05555555555555548');
INSERT INTO "trial_system_attributes" VALUES(45,10,'constraints:failed','0.0');
INSERT INTO "trial_system_attributes" VALUES(46,10,'constraints','[-0.569582031108439, -0.05555555555555548, 0.0]');
INSERT INTO "trial_system_attributes" VALUES(48,11,'constraints:failed','1.0');
INSERT INTO "trial_system_attributes" VALUES(49,11,'constraints','[1.0]');
INSERT INTO "trial_system_attributes" VALUES(50,12,'constraints:memory_bytes','-0.5617187498137355');
INSERT INTO "trial_system_attributes" VALUES(51,12,'constraints:similarity','-0.011111111111110997');
INSERT INTO "trial_system_attributes" VALUES(52,12,'constraints:failed','0.0');
INSERT INTO "trial_system_attributes" VALUES(53,12,'constraints','[-0.5617187498137355, -0.011111111111110997, 0.0]');
CREATE TABLE trial_user_attributes (
	trial_user_attribute_id INTEGER NOT NULL, 
	trial_id INTEGER, 
	"key" VARCHAR(512), 
	value_json TEXT, 
	PRIMARY KEY (trial_user_attribute_id), 
	UNIQUE (trial_id, "key"), 
	FOREIGN KEY(trial_id) REFERENCES trials (trial_id)
);
INSERT INTO "trial_user_attributes" VALUES(1,1,'recipe','"untuned"');
INSERT INTO "trial_user_attributes" VALUES(2,1,'digest','"3931de8e3a51"');
INSERT INTO "trial_user_attributes" VALUES(3,1,'preset','"untuned"');
INSERT INTO "trial_user_attributes" VALUES(4,1,'outcome','"measured"');
INSERT INTO "trial_user_attributes" VALUES(5,1,'seconds','{"trial": 0.000407, "cold": 6.713975, "call": 2.038728, "text": 0.01, "steps": 2.034658, "decode": 0.1}');
INSERT INTO "trial_user_attributes" VALUES(6,2,'recipe','"dtype=float16"');
INSERT INTO "trial_user_attributes" VALUES(7,2,'digest','"31839bf14452"');
INSERT INTO "trial_user_attributes" VALUES(8,2,'preset','"half precision"');
INSERT INTO "trial_user_attributes" VALUES(9,2,'outcome','"measured"');
INSERT INTO "trial_user_attributes" VALUES(10,2,'seconds','{"trial": 0.000378, "cold": 3.666856, "call": 1.02099, "text": 0.01, "steps": 1.018952, "decode": 0.1}');
INSERT INTO "trial_user_attributes" VALUES(11,3,'recipe','"channels_last dtype=float16"');
INSERT INTO "trial_user_attributes" VALUES(12,3,'digest','"53d1f6287450"');
INSERT INTO "trial_user_attributes" VALUES(13,3,'preset','"half precision, channels last"');
INSERT INTO "trial_user_attributes" VALUES(14,3,'outcome','"measured"');
INSERT INTO "trial_user_attributes" VALUES(15,3,'seconds','{"trial": 0.000455, "cold": 3.404156, "call": 0.933248, "text": 0.01, "steps": 0.931385, "decode": 0.1}');
INSERT INTO "trial_user_attributes" VALUES(16,4,'recipe','"channels_last compile=regional dtype=bfloat16"');
INSERT INTO "trial_user_attributes" VALUES(17,4,'digest','"5eea1c75a7a3"');
INSERT INTO "trial_user_attributes" VALUES(18,4,'preset','"regional compile"');
INSERT INTO "trial_user_attributes" VALUES(19,4,'outcome','"measured"');
INSERT INTO "trial_user_attributes" VALUES(20,4,'seconds','{"trial": 0.000526, "cold": 3.108961, "call": 0.834653, "text": 0.01, "steps": 0.832987, "decode": 0.1}');
INSERT INTO "trial_user_attributes" VALUES(21,5,'recipe','"channels_last compile=full dtype=bfloat16 fuse_qkv"');
INSERT INTO "trial_user_attributes" VALUES(22,5,'digest','"75ad7a2b76f8"');
INSERT INTO "trial_user_attributes" VALUES(23,5,'preset','"diffusion, fast"');
INSERT INTO "trial_user_attributes" VALUES(24,5,'outcome','"measured"');
INSERT INTO "trial_user_attributes" VALUES(25,5,'seconds','{"trial": 0.000682, "cold": 2.735314, "call": 0.709855, "text": 0.01, "steps": 0.708438, "decode": 0.1}');
INSERT INTO "trial_user_attributes" VALUES(26,6,'recipe','"dtype=float16 prompt_embeds=precomputed vae_slicing"');
INSERT INTO "trial_user_attributes" VALUES(27,6,'digest','"0c08080fadf7"');
INSERT INTO "trial_user_attributes" VALUES(28,6,'preset','"small"');
INSERT INTO "trial_user_attributes" VALUES(29,6,'outcome','"measured"');
INSERT INTO "trial_user_attributes" VALUES(30,6,'seconds','{"trial": 0.000476, "cold": 3.61755, "call": 1.004522, "text": 0.01, "steps": 1.002517, "decode": 0.1}');
INSERT INTO "trial_user_attributes" VALUES(31,7,'recipe','"channels_last compile=full dtype=bfloat16 quantization=int8_dynamic"');
INSERT INTO "trial_user_attributes" VALUES(32,7,'digest','"84124ba437ea"');
INSERT INTO "trial_user_attributes" VALUES(33,7,'preset','"int8, fast"');
INSERT INTO "trial_user_attributes" VALUES(34,7,'outcome','"measured"');
INSERT INTO "trial_user_attributes" VALUES(35,7,'seconds','{"trial": 0.000539, "cold": 2.441547, "call": 0.611737, "text": 0.01, "steps": 0.610516, "decode": 0.1}');
INSERT INTO "trial_user_attributes" VALUES(36,8,'recipe','"dtype=float16 prompt_embeds=precomputed"');
INSERT INTO "trial_user_attributes" VALUES(37,8,'digest','"b3c3d7d3284c"');
INSERT INTO "trial_user_attributes" VALUES(38,8,'preset','"precomputed prompts"');
INSERT INTO "trial_user_attributes" VALUES(39,8,'outcome','"measured"');
INSERT INTO "trial_user_attributes" VALUES(40,8,'seconds','{"trial": 0.000506, "cold": 3.626508, "call": 1.007514, "text": 0.01, "steps": 1.005503, "decode": 0.1}');
INSERT INTO "trial_user_attributes" VALUES(41,9,'recipe','"attention_slicing=auto channels_last dtype=float16 quantization=int8_weight_only vae_tiling=256"');
INSERT INTO "trial_user_attributes" VALUES(42,9,'digest','"b41202d97793"');
INSERT INTO "trial_user_attributes" VALUES(43,9,'preset','""');
INSERT INTO "trial_user_attributes" VALUES(44,9,'outcome','"unsupported"');
INSERT INTO "trial_user_attributes" VALUES(45,9,'message','"A synthetic unsupported."');
INSERT INTO "trial_user_attributes" VALUES(46,10,'recipe','"channels_last dtype=bfloat16 fuse_qkv vae_slicing vae_tiling=256"');
INSERT INTO "trial_user_attributes" VALUES(47,10,'digest','"87127dcb5e8a"');
INSERT INTO "trial_user_attributes" VALUES(48,10,'preset','""');
INSERT INTO "trial_user_attributes" VALUES(49,10,'outcome','"measured"');
INSERT INTO "trial_user_attributes" VALUES(50,10,'seconds','{"trial": 0.000577, "cold": 3.645296, "call": 1.013789, "text": 0.01, "steps": 1.011765, "decode": 0.1}');
INSERT INTO "trial_user_attributes" VALUES(51,11,'recipe','"compile=full dtype=bfloat16 quantization=int8_dynamic vae_tiling=512"');
INSERT INTO "trial_user_attributes" VALUES(52,11,'digest','"8d11a2f95dde"');
INSERT INTO "trial_user_attributes" VALUES(53,11,'preset','""');
INSERT INTO "trial_user_attributes" VALUES(54,11,'outcome','"crash"');
INSERT INTO "trial_user_attributes" VALUES(55,11,'message','"A synthetic crash."');
INSERT INTO "trial_user_attributes" VALUES(56,12,'recipe','"attention_slicing=max channels_last dtype=bfloat16 prompt_embeds=precomputed quantization=int8_dynamic"');
INSERT INTO "trial_user_attributes" VALUES(57,12,'digest','"d784a57db817"');
INSERT INTO "trial_user_attributes" VALUES(58,12,'preset','""');
INSERT INTO "trial_user_attributes" VALUES(59,12,'outcome','"measured"');
INSERT INTO "trial_user_attributes" VALUES(60,12,'seconds','{"trial": 0.000542, "cold": 4.042651, "call": 1.146506, "text": 0.01, "steps": 1.144217, "decode": 0.1}');
CREATE TABLE trial_values (
	trial_value_id INTEGER NOT NULL, 
	trial_id INTEGER NOT NULL, 
	objective INTEGER NOT NULL, 
	value FLOAT, 
	value_type VARCHAR(7) NOT NULL, 
	PRIMARY KEY (trial_value_id), 
	UNIQUE (trial_id, objective), 
	FOREIGN KEY(trial_id) REFERENCES trials (trial_id)
);
INSERT INTO "trial_values" VALUES(1,1,0,2.03872753147602070455e+00,'FINITE');
INSERT INTO "trial_values" VALUES(2,1,1,1.171875,'FINITE');
INSERT INTO "trial_values" VALUES(3,1,2,1.0,'FINITE');
INSERT INTO "trial_values" VALUES(4,2,0,1.02098976438760757901e+00,'FINITE');
INSERT INTO "trial_values" VALUES(5,2,1,0.64453125,'FINITE');
INSERT INTO "trial_values" VALUES(6,2,2,0.99,'FINITE');
INSERT INTO "trial_values" VALUES(7,3,0,9.33248160811400495617e-01,'FINITE');
INSERT INTO "trial_values" VALUES(8,3,1,0.64453125,'FINITE');
INSERT INTO "trial_values" VALUES(9,3,2,0.99,'FINITE');
INSERT INTO "trial_values" VALUES(10,4,0,0.834653133089058,'FINITE');
INSERT INTO "trial_values" VALUES(11,4,1,0.708984375,'FINITE');
INSERT INTO "trial_values" VALUES(12,4,2,0.97,'FINITE');
INSERT INTO "trial_values" VALUES(13,5,0,7.09854754387606812215e-01,'FINITE');
INSERT INTO "trial_values" VALUES(14,5,1,0.85400390625,'FINITE');
INSERT INTO "trial_values" VALUES(15,5,2,0.97,'FINITE');
INSERT INTO "trial_values" VALUES(16,6,0,1.00452164503812779727e+00,'FINITE');
INSERT INTO "trial_values" VALUES(17,6,1,4.93066405877470970153e-01,'FINITE');
INSERT INTO "trial_values" VALUES(18,6,2,0.99,'FINITE');
INSERT INTO "trial_values" VALUES(19,7,0,6.11736788169804701631e-01,'FINITE');
INSERT INTO "trial_values" VALUES(20,7,1,0.64453125,'FINITE');
INSERT INTO "trial_values" VALUES(21,7,2,9.09999999999999920063e-01,'FINITE');
INSERT INTO "trial_values" VALUES(22,8,0,1.00751351747989659202e+00,'FINITE');
INSERT INTO "trial_values" VALUES(23,8,1,0.5478515625,'FINITE');
INSERT INTO "trial_values" VALUES(24,8,2,0.99,'FINITE');
INSERT INTO "trial_values" VALUES(25,10,0,1.01378899045023862512e+00,'FINITE');
INSERT INTO "trial_values" VALUES(26,10,1,4.30417968891561031341e-01,'FINITE');
INSERT INTO "trial_values" VALUES(27,10,2,0.95,'FINITE');
INSERT INTO "trial_values" VALUES(28,12,0,1.14650551918415111174e+00,'FINITE');
INSERT INTO "trial_values" VALUES(29,12,1,4.38281250186264514923e-01,'FINITE');
INSERT INTO "trial_values" VALUES(30,12,2,9.09999999999999920063e-01,'FINITE');
CREATE TABLE trials (
	trial_id INTEGER NOT NULL, 
	number INTEGER, 
	study_id INTEGER, 
	state VARCHAR(8) NOT NULL, 
	datetime_start DATETIME, 
	datetime_complete DATETIME, 
	PRIMARY KEY (trial_id), 
	FOREIGN KEY(study_id) REFERENCES studies (study_id)
);
INSERT INTO "trials" VALUES(1,0,1,'COMPLETE','2026-11-21 10:50:22.373424','2026-11-21 10:50:22.653464');
INSERT INTO "trials" VALUES(2,1,1,'COMPLETE','2026-11-21 10:50:22.699189','2026-11-21 10:50:22.918996');
INSERT INTO "trials" VALUES(3,2,1,'COMPLETE','2026-11-21 10:50:22.972039','2026-11-21 10:50:23.158933');
INSERT INTO "trials" VALUES(4,3,1,'COMPLETE','2026-11-21 10:50:23.207975','2026-11-21 10:50:23.402575');
INSERT INTO "trials" VALUES(5,4,1,'COMPLETE','2026-11-21 10:50:23.443038','2026-11-21 10:50:23.617497');
INSERT INTO "trials" VALUES(6,5,1,'COMPLETE','2026-11-21 10:50:23.663052','2026-11-21 10:50:23.884970');
INSERT INTO "trials" VALUES(7,6,1,'COMPLETE','2026-11-21 10:50:23.930036','2026-11-21 10:50:24.114019');
INSERT INTO "trials" VALUES(8,7,1,'COMPLETE','2026-11-21 10:50:24.161238','2026-11-21 10:50:24.346332');
INSERT INTO "trials" VALUES(9,8,1,'PRUNED','2026-11-21 10:50:24.390796','2026-11-21 10:50:24.559129');
INSERT INTO "trials" VALUES(10,9,1,'COMPLETE','2026-11-21 10:50:24.615119','2026-11-21 10:50:24.827439');
INSERT INTO "trials" VALUES(11,10,1,'PRUNED','2026-11-21 10:50:24.876516','2026-11-21 10:50:25.056322');
INSERT INTO "trials" VALUES(12,11,1,'COMPLETE','2026-11-21 10:50:25.098911','2026-11-21 10:50:25.319047');
CREATE TABLE version_info (
	version_info_id INTEGER NOT NULL, 
	schema_version INTEGER, 
	library_version VARCHAR(256), 
	PRIMARY KEY (version_info_id), 
	CHECK (version_info_id=1)
);
INSERT INTO "version_info" VALUES(1,12,'5.0.0');
CREATE INDEX ix_autotune_trial_state ON autotune_trial (state);
CREATE INDEX ix_autotune_trial_study_id ON autotune_trial (study_id);
CREATE INDEX ix_autotune_trial_digest ON autotune_trial (digest);
CREATE UNIQUE INDEX ix_studies_study_name ON studies (study_name);
CREATE INDEX ix_trials_study_id ON trials (study_id);
COMMIT;
